// Says in the tab's title and icon how much needs somebody, and in the composer whose page it is.

import { Controller } from "../../vendor/stimulus.js"

export default class extends Controller {
  connect() {
    this.observer = new MutationObserver(() => this.update())
    this.observer.observe(this.element, { attributes: true, attributeFilter: ["data-count", "data-page-title"] })
    this.update()
  }

  disconnect() {
    this.observer.disconnect()
  }

  update() {
    const count = Number(document.getElementById("needs-head")?.dataset.count ?? 0)
    const page = document.querySelector("[data-page-title]")?.dataset.pageTitle
    if (page) document.title = `${count ? `(${count}) ` : ""}${page} · Heliograph`
    const composer = document.getElementById("message")
    if (composer && page) composer.placeholder = `Message ${page}`
    const icon = document.querySelector("link[rel=icon]")
    const wanted = count ? icon.dataset.lit : icon.dataset.quiet
    navigator.setAppBadge?.(count).catch(() => {}) // which not every browser may
    if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted)
  }
}
