// The inbox: a list to go through by keys, and the one decision that is looked at. After a decision the next one.

import { Controller } from "../../vendor/stimulus.js"
import { visit } from "../../vendor/turbo.js"

export default class extends Controller {
  static targets = ["row", "detail", "tab", "session"]

  connect() {
    this.kind = ""
    if (location.hash) return visit(`/inbox/${location.hash.slice(1)}`, { action: "replace" })
    this.apply()
  }

  pick(event) {
    if (this.isNarrow || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    this.select(event.currentTarget)
  }

  filter({ currentTarget }) {
    this.kind = currentTarget.dataset.kind
    this.apply()
  }

  apply() {
    const open = this.rowTargets.filter((row) => row.dataset.kind)
    for (const tab of this.tabTargets) {
      const { kind } = tab.dataset
      const count = open.filter((row) => !kind || row.dataset.kind === kind).length
      tab.setAttribute("aria-pressed", String(kind === this.kind))
      tab.querySelector(".num").textContent = count
      tab.hidden = kind === "elicitation" && !count && this.kind !== kind
    }
    for (const row of open) row.hidden = Boolean(this.kind) && row.dataset.kind !== this.kind
    if (!this.chosen && this.open.length && !this.isNarrow) this.select(this.open[0], false)
    this.mark()
  }

  move(step) {
    const rows = this.open
    const at = rows.findIndex((row) => row.dataset.id === this.chosen)
    const row = rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)]
    if (row && row.dataset.id !== this.chosen) this.select(row)
  }

  // The decided one may still stand in the list.
  next({ detail: { id } }) {
    if (this.isNarrow) return visit("/inbox")
    const rows = this.open
    const at = rows.findIndex((row) => row.dataset.id === id)
    const row = rows[at + 1] ?? rows.find((other) => other.dataset.id !== id)
    if (row) this.select(row)
  }

  select(row, focus = true) {
    this.wanted = row.dataset.id
    this.detailTarget.src = row.href
    history.replaceState(history.state, "", row.href)
    if (focus) row.focus({ preventScroll: true })
    row.scrollIntoView({ block: "nearest" })
    this.mark()
  }

  loaded() {
    this.mark()
  }

  openSession() {
    if (this.hasSessionTarget) this.sessionTarget.click()
  }

  mark() {
    for (const row of this.rowTargets) row.toggleAttribute("aria-current", row.dataset.id === this.chosen)
  }

  get open() {
    return this.rowTargets.filter((row) => row.dataset.kind && !row.hidden)
  }

  get chosen() {
    return this.wanted ?? this.detailTarget.querySelector(".dec")?.dataset.decisionIdValue
  }

  get isNarrow() {
    return matchMedia("(max-width: 899px)").matches
  }
}
