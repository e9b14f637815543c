// The chat's scrolling: follows the newest entry while one is at the bottom, otherwise stays put and
// says how much is new. Nothing moves under a reader.

import { Controller } from "../../vendor/stimulus.js"

const NEAR = 48

export default class extends Controller {
  static targets = ["scroll", "list", "pill", "news"]

  connect() {
    this.following = true
    this.missed = 0
    this.lastTop = 0
    this.observer = new ResizeObserver(() => this.follow())
    this.observer.observe(this.listTarget)
    this.observer.observe(this.scrollTarget)
    this.listTarget.addEventListener("heliograph:added", this.added)
    this.listTarget.addEventListener("heliograph:changed", this.changed)
    this.listTarget.addEventListener("heliograph:sent", this.toNewest)
    this.openNewest()
    this.follow()
  }

  disconnect() {
    this.observer.disconnect()
  }

  scrolled() {
    const { scrollTop } = this.scrollTarget
    if (this.distance <= NEAR) this.seen()
    else if (scrollTop < this.lastTop) this.following = false
    this.lastTop = scrollTop
  }

  added = (event) => {
    this.openNewest()
    this.announce(event.target)
    if (this.following) return this.follow()
    this.missed += 1
    this.newsTarget.textContent = `${this.missed} new`
    this.pillTarget.hidden = false
  }

  changed = (event) => {
    this.openNewest()
    if (!("streaming" in event.target.dataset)) this.announce(event.target)
  }

  toNewest = () => {
    this.seen()
    this.follow()
  }

  seen() {
    this.following = true
    this.missed = 0
    this.pillTarget.hidden = true
  }

  follow() {
    if (!this.following || this.hasSelection) return
    this.scrollTarget.scrollTop = this.scrollTarget.scrollHeight
    this.lastTop = this.scrollTarget.scrollTop
  }

  // A change to a file is open while it is the newest entry; what a person opened or closed stays.
  openNewest() {
    const newest = this.listTarget.lastElementChild
    for (const details of this.listTarget.querySelectorAll("[data-newest-open]:not([data-touched])")) {
      details.open = details.closest(".e") === newest
    }
  }

  announce(entry) {
    const words = entry.dataset.say
    if (words && !entry.dataset.said) document.getElementById("announce").textContent = words
    entry.dataset.said = ""
  }

  get distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.scrollTarget
    return scrollHeight - scrollTop - clientHeight
  }

  get hasSelection() {
    const selection = getSelection()
    return !selection.isCollapsed && this.listTarget.contains(selection.anchorNode)
  }
}
