// Says "You" where the reader's own name stands: what everybody is sent alike names people with their ids.

export function startPeople() {
  addEventListener("turbo:load", () => sayYou(document))
  addEventListener("turbo:frame-load", ({ target }) => sayYou(target))
}

// Everything within an element.
export function sayYou(element) {
  const { content: own } = document.querySelector("meta[name=user-id]") ?? {}
  for (const name of own ? element.querySelectorAll(`[data-user="${CSS.escape(own)}"]`) : []) {
    name.textContent = name.dataset.you
  }
}
