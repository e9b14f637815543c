// Allow and deny in the rail, where all of a short input is shown.

import { Controller } from "../../vendor/stimulus.js"
import { give, mayDecide } from "../decide.js"
import { Refused } from "../requests.js"

export default class extends Controller {
  static targets = ["problem"]
  static values = { id: String, digest: String }

  allow() {
    this.give("allow")
  }

  deny() {
    this.give("deny")
  }

  async give(behavior) {
    if (this.element.ariaBusy || !mayDecide(this.element.closest("#calls"))) return
    this.element.setAttribute("aria-busy", "true")
    try {
      await give(this.idValue, this.digestValue, { behavior })
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.element.removeAttribute("aria-busy")
      this.problemTarget.textContent = error.message
    }
  }
}
