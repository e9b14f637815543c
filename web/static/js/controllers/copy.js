// Copies a text and says so where it was asked.

import { Controller } from "../../vendor/stimulus.js"

export default class extends Controller {
  static targets = ["source", "label"]

  async copy({ currentTarget: button }) {
    const text = this.sourceTarget.textContent.trim()
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => this.select(),
    )
    if (!done) return
    button.classList.add("is-done")
    if (this.hasLabelTarget) this.labelTarget.textContent = "Copied"
    document.getElementById("announce").textContent = "Copied"
    setTimeout(() => {
      button.classList.remove("is-done")
      if (this.hasLabelTarget) this.labelTarget.textContent = "Copy"
    }, 1500)
  }

  // Without a secure origin there is no clipboard: leave the text selected instead.
  select() {
    getSelection().selectAllChildren(this.sourceTarget)
    return false
  }
}
