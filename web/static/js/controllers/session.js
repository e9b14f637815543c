// What is done to a whole session: interrupt it, stop it. Stopping asks first, in place.

import { Controller } from "../../vendor/stimulus.js"
import { Refused, request } from "../requests.js"

export default class extends Controller {
  static targets = ["interrupt", "ask", "problem"]
  static values = { id: String }

  interrupt(event) {
    this.act(event.currentTarget, "interrupt")
  }

  ask() {
    this.askTarget.hidden = !this.askTarget.hidden
    if (!this.askTarget.hidden) this.askTarget.querySelector("[data-safe]").focus()
  }

  stop(event) {
    this.askTarget.hidden = true
    this.act(event.currentTarget, "stop")
  }

  async act(button, what) {
    button.disabled = true
    this.problemTarget.textContent = ""
    try {
      if (what === "stop") this.problemTarget.textContent = "Asked to stop."
      await request("POST", `/api/v1/sessions/${encodeURIComponent(this.idValue)}/${what}`)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.problemTarget.textContent = error.message
      button.disabled = false
    }
  }
}
