// Single letters, outside of text fields: N to what needs somebody next, and those that a card's buttons show.

import { Controller } from "../../vendor/stimulus.js"
import { visit } from "../../vendor/turbo.js"

const TWICE = 1000
const PLACES = { o: "/", i: "/inbox" }

export default class extends Controller {
  connect() {
    this.listen = (event) => this.pressed(event)
    addEventListener("keydown", this.listen)
  }

  disconnect() {
    removeEventListener("keydown", this.listen)
  }

  pressed(event) {
    if (event.repeat || event.isComposing || event.defaultPrevented) return
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return this.send(event)
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Escape") return this.escape(event)
    if (isWriting(event.target)) return
    const done = this.act(event.key.toLowerCase(), event)
    this.before = event.key.toLowerCase()
    if (done) event.preventDefault()
  }

  act(key, event) {
    if (this.before === "g" && PLACES[key]) return visit(PLACES[key]) ?? true
    if (key === "n") return this.next()
    if (this.inbox && (key === "j" || key === "k")) return this.inbox.move(key === "j" ? 1 : -1) ?? true
    if (key === "enter") return this.enter(event.target)
    return /^[a-z1-9]$/.test(key) && !event.shiftKey && this.decide(key)
  }

  decide(key) {
    const box = this.current
    if (!box) return false
    const card = this.find(box, "decision")
    if (card && /[1-9]/.test(key)) return card.choose(key) ?? true
    if (box.querySelector("[data-panel]:not([hidden])")) return false
    const button = [...box.querySelectorAll(`[data-letter="${key}"]`)].find((each) => each.checkVisibility())
    if (!button) return false
    if (key !== "a" || !card || card.hasShownEnd()) button.click()
    return true
  }

  // Enter goes on where a button or link isn't asked to do something itself.
  enter(target) {
    if (target.closest("button, summary, .dec a, .ask a")) return false
    const form = target.closest(".is-stepped form.controls")
    if (form) return form.requestSubmit() ?? true
    if (target.matches("input")) return true
    return Boolean(this.inbox && target.closest(".li, .dec, body") && !target.closest(".rail")) && (this.inbox.openSession() ?? true)
  }

  send(event) {
    const form = event.target.closest("form.controls") ?? this.current?.querySelector("form.controls")
    if (!form || event.target.closest(".composer")) return
    event.preventDefault()
    form.requestSubmit()
  }

  escape(event) {
    const card = this.find(event.target.closest(".dec"), "decision")
    if (card?.panel) return card.back()
    if (isWriting(event.target)) event.target.blur()
    const now = performance.now()
    if (now - this.escaped < TWICE) document.querySelector("[data-session-target=interrupt]")?.click()
    this.escaped = now
  }

  // Cards of this page first, then the rail's list from where one is.
  next() {
    const cards = [...document.querySelectorAll(".chat .dec.is-open")]
    const at = cards.indexOf(document.activeElement.closest(".dec"))
    if (at + 1 < cards.length) return this.find(cards[at + 1], "decision").focus() ?? true
    const asks = [...document.querySelectorAll("#needs .ask-link")].filter((link) => !link.closest("[aria-current]"))
    const link = asks[0] ?? (cards.length ? null : document.querySelector("#needs .ask-link"))
    if (link) visit(link.href)
    else if (cards.length) this.find(cards[0], "decision").focus()
    return true
  }

  find(element, name) {
    return element && this.application.getControllerForElementAndIdentifier(element, name)
  }

  get inbox() {
    return this.find(document.querySelector(".inbox"), "inbox")
  }

  get current() {
    return document.activeElement?.closest(".dec, .ask") ?? document.querySelector("#inbox-detail .dec")
  }
}

function isWriting(target) {
  return Boolean(target.closest?.("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]"))
}
