// Narrows the overview to a state and to words in title, folder, branch or machine.

import { Controller } from "../../vendor/stimulus.js"

export default class extends Controller {
  static targets = ["input", "tab", "card", "empty"]

  initialize() {
    this.state = ""
  }

  cardTargetConnected() {
    this.apply()
  }

  pick({ currentTarget }) {
    this.state = currentTarget.dataset.state
    for (const tab of this.tabTargets) tab.setAttribute("aria-pressed", String(tab === currentTarget))
    this.apply()
  }

  // "/" goes to the field, unless somebody is writing.
  slash(event) {
    const writing = event.target.closest?.("input, textarea, select")
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    this.inputTarget.focus()
  }

  apply() {
    const words = this.inputTarget.value.toLowerCase().split(/\s+/).filter(Boolean)
    let shown = 0
    for (const card of this.cardTargets) {
      const text = card.dataset.words.toLowerCase()
      const fits = (!this.state || card.dataset.state === this.state) && words.every((word) => text.includes(word))
      card.classList.toggle("is-filtered", !fits)
      shown += fits
    }
    if (this.state || words.length) {
      for (const older of this.element.querySelectorAll(".older")) {
        older.open = Boolean(older.querySelector(".card:not(.is-filtered)"))
      }
    }
    this.emptyTarget.hidden = shown > 0
  }
}
