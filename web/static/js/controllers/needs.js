// The rail's list of what needs somebody: says aloud what is new, and leads to its card.

import { Controller } from "../../vendor/stimulus.js"
import { stir } from "../decide.js"

export default class extends Controller {
  connect() {
    this.known = this.list()
    this.mark()
  }

  changed() {
    const now = this.list()
    if (now.join() !== this.known.join()) stir(this.element)
    const fresh = now.filter((id) => !this.known.includes(id)).map((id) => document.getElementById(id).dataset.say)
    if (fresh.length) document.getElementById("call-out").textContent = fresh.join(". ")
    this.known = now
    this.mark()
  }

  // A card of this page needs no visit.
  open(event) {
    const id = new URL(event.currentTarget.href).hash.slice(1)
    const card = id && document.getElementById(id)
    if (!card) return
    event.preventDefault()
    card.removeAttribute("data-folded")
    card.scrollIntoView({ block: "nearest" })
    card.focus({ preventScroll: true })
  }

  mark() {
    const session = document.body.dataset.liveSessionValue
    for (const ask of this.element.querySelectorAll(".ask")) {
      ask.toggleAttribute("aria-current", Boolean(session) && ask.dataset.session === session)
    }
  }

  list() {
    return [...this.element.querySelectorAll(".ask")].map((ask) => ask.id)
  }
}
