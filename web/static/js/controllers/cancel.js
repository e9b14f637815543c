// Takes back a message that is still queued. What became of it comes with the live update.

import { Controller } from "../../vendor/stimulus.js"
import { Refused, request } from "../requests.js"

export default class extends Controller {
  static values = { message: String }

  async cancel() {
    this.element.disabled = true
    try {
      await request("DELETE", `/api/v1/messages/${encodeURIComponent(this.messageValue)}`)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.element.disabled = false
      this.element.textContent = error.message
    }
  }
}
