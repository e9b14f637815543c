// Two stream actions for live updates. `upsert` puts the template's element where it belongs: if one
// with its id is there it is morphed into it (so that animations go on, focus and what somebody opened
// stay), otherwise it becomes a child of the target. Children are ordered by data-position or
// data-order. `ensure` only adds what is missing.

import { sayYou } from "./people.js"
import { say } from "./times.js"

const KEPT = ["data-touched", "data-folded", "data-stirred", "aria-busy"]

export function installStreamActions(Turbo) {
  Turbo.StreamActions.upsert = function () {
    upsert(Turbo, this, true)
  }
  Turbo.StreamActions.ensure = function () {
    upsert(Turbo, this, false)
  }
  // What a person opened or closed, a morph leaves as it is.
  addEventListener("turbo:before-morph-attribute", (event) => {
    const { attributeName } = event.detail
    if (KEPT.includes(attributeName) || (attributeName === "open" && "touched" in event.target.dataset)) {
      event.preventDefault()
    }
  })
  // What a person typed and chose stays as long as it is about the same.
  addEventListener("turbo:before-morph-element", (event) => {
    const { keep } = event.target.dataset
    if (keep && keep === event.detail.newElement?.dataset.keep) event.preventDefault()
  })
  addEventListener("click", (event) => {
    const summary = event.target.closest?.("summary")
    if (summary?.parentElement.dataset.key) summary.parentElement.dataset.touched = ""
  })
}

function upsert(Turbo, stream, change) {
  const [incoming] = stream.templateContent.children
  const target = document.getElementById(stream.target)
  if (!incoming || (!target && !document.getElementById(incoming.id))) return
  const existing = document.getElementById(incoming.id)
  if (existing && !change) return
  if (existing) {
    Turbo.morphElements(existing, incoming)
    say(existing)
    sayYou(existing)
    if (order(incoming) !== null && target) moveUnlessHovered(existing, target)
    existing.dispatchEvent(new CustomEvent("heliograph:changed", { bubbles: true }))
    return
  }
  dropOptimistic(incoming)
  say(incoming)
  sayYou(incoming)
  place(incoming, target)
  incoming.dispatchEvent(new CustomEvent("heliograph:added", { bubbles: true }))
}

// The message that was shown before the hub had it.
function dropOptimistic(incoming) {
  const { clientId, messageId } = incoming.dataset
  for (const element of document.querySelectorAll(".is-sending")) {
    const { clientId: client, messageId: message } = element.dataset
    if ((clientId && client === clientId) || (messageId && message === messageId)) element.remove()
  }
}

// A card must not slip away under the pointer: it moves once the pointer has left.
function moveUnlessHovered(element, target) {
  if (!isMisplaced(element, target)) return
  if (element.matches(":hover") && element.parentElement === target) {
    element.addEventListener("pointerleave", () => place(element, target), { once: true })
  } else {
    place(element, target)
  }
}

function isMisplaced(element, target) {
  if (element.parentElement !== target) return true
  const { previousElementSibling: before, nextElementSibling: after } = element
  return (before && compare(before, element) > 0) || (after && compare(element, after) > 0)
}

// From the end, because what is new mostly belongs there.
function place(element, target) {
  let before = target.lastElementChild
  while (before && (before === element || compare(before, element) > 0)) before = before.previousElementSibling
  if (before) before.after(element)
  else target.prepend(element)
}

function compare(one, other) {
  const [a, b] = [order(one), order(other)]
  const [x, y] = [Number(a), Number(b)]
  if (Number.isNaN(x) || Number.isNaN(y)) return String(a).localeCompare(String(b))
  return x - y
}

function order(element) {
  return element.dataset.position ?? element.dataset.order ?? null
}
