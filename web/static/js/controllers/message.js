// What a person may do with a message that isn't settled. What became of it comes with the live update.

import { Controller } from "../../vendor/stimulus.js"
import { Refused, request } from "../requests.js"

export default class extends Controller {
  static targets = ["problem"]
  static values = { id: String, session: String }

  // Takes back what is queued, gives up what nobody knows about.
  cancel(event) {
    this.act(event, () => request("DELETE", this.path()))
  }

  sendAgain(event) {
    this.act(event, () => request("POST", this.path("/resend")))
  }

  sendNext(event) {
    this.act(event, async () => {
      const session = await request("GET", `/api/v1/sessions/${encodeURIComponent(this.sessionValue)}`)
      await request("POST", this.path("/move"), { before: session.queue[0] ?? null })
      this.problemTarget.textContent = "It goes next."
    })
  }

  async act({ currentTarget: button }, work) {
    button.disabled = true
    this.problemTarget.textContent = ""
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      button.disabled = false
      this.problemTarget.textContent = error.message
    }
  }

  path(rest = "") {
    return `/api/v1/messages/${encodeURIComponent(this.idValue)}${rest}`
  }
}
