// What every way of deciding has in common: the request, and that nothing is decided by accident.

import { request } from "./requests.js"

const CALM = 600
const timers = new WeakMap()

// What is shown here has just changed: a key or click now may be meant for what was there before.
export function stir(element) {
  element.dataset.stirred = ""
  clearTimeout(timers.get(element))
  timers.set(element, setTimeout(() => delete element.dataset.stirred, CALM))
}

export function mayDecide(element) {
  return !("stirred" in element.dataset) && !document.documentElement.classList.contains("is-away")
}

export function give(id, digest, verdict) {
  return request("POST", `/api/v1/decisions/${encodeURIComponent(id)}/verdict`, { digest, ...verdict })
}

// Characters that nobody sees, spelled out as the server does it.
export function showUnseen(text) {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) =>
    "\n\t".includes(character) ? character : `⟨U+${character.codePointAt().toString(16).toUpperCase().padStart(4, "0")}⟩`,
  )
}
