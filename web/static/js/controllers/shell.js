// The rail as a drawer and the panel as an overlay where there is no room for them; menus that close.

import { Controller } from "../../vendor/stimulus.js"

export default class extends Controller {
  connect() {
    this.keys = (event) => event.key === "Escape" && this.close()
    this.outside = (event) => this.closeMenus(event.target)
    addEventListener("keydown", this.keys)
    addEventListener("click", this.outside)
  }

  disconnect() {
    removeEventListener("keydown", this.keys)
    removeEventListener("click", this.outside)
  }

  toggleRail() {
    this.element.classList.toggle("rail-open")
    if (this.element.classList.contains("rail-open")) document.querySelector("#rail a").focus()
  }

  togglePanel() {
    this.element.classList.toggle("panel-toggled")
  }

  close() {
    this.element.classList.remove("rail-open")
    if (matchMedia("(max-width: 1180px)").matches) this.element.classList.remove("panel-toggled")
    this.closeMenus(document.documentElement)
  }

  closeMenus(target) {
    for (const menu of document.querySelectorAll(".menu-box[open]")) {
      if (!menu.contains(target)) menu.open = false
    }
  }
}
