// A decision's card: its buttons, the forms that they open, and the verdict that comes of it. What became
// of a verdict comes with the live update.

import { Controller } from "../../vendor/stimulus.js"
import { morphElements, visit } from "../../vendor/turbo.js"
import { give, mayDecide, showUnseen, stir } from "../decide.js"
import { readAnswers, readFields } from "../forms.js"
import { sayYou } from "../people.js"
import { Refused } from "../requests.js"
import { say } from "../times.js"

const DISCUSS =
  "I would like to talk about this before I answer. Don't choose for me: say what you think in the conversation, " +
  "and wait for what I write."

export default class extends Controller {
  static targets = ["input", "problem", "question", "next"]
  static values = { id: String, digest: String, offers: String, state: String, kind: String }

  connect() {
    this.step = 0
    this.showStep()
    this.observer = new ResizeObserver(() => this.makeRoom())
    this.observer.observe(this.element)
    if (location.hash === `#${this.element.id}`) this.focus()
  }

  disconnect() {
    this.observer.disconnect()
  }

  // On a phone the card lies over the end of the chat.
  makeRoom() {
    const chat = this.element.closest("#timeline")
    const sheet = chat && [...chat.querySelectorAll(".dec.is-open")].find((card) => getComputedStyle(card).position === "fixed")
    if (chat) chat.style.paddingBottom = sheet ? `${sheet.offsetHeight + 16}px` : ""
  }

  // Another input than before stands here now, or buttons that weren't there.
  digestValueChanged() {
    stir(this.element)
  }

  offersValueChanged() {
    stir(this.element)
  }

  stateValueChanged(_, before) {
    if (!before) return
    this.element.removeAttribute("aria-busy")
    this.makeRoom()
  }

  questionTargetConnected() {
    this.showStep()
  }

  focus() {
    this.element.removeAttribute("data-folded")
    this.element.scrollIntoView({ block: "nearest" })
    this.element.focus({ preventScroll: true })
  }

  fold() {
    this.element.toggleAttribute("data-folded")
  }

  allow() {
    this.give({ behavior: "allow", ...this.mode })
  }

  deny() {
    this.give({ behavior: "deny" })
  }

  stop() {
    this.give({ behavior: "deny", stop: true })
  }

  async discuss() {
    if (!(await this.give({ behavior: "deny", message: DISCUSS }))) return
    const composer = document.getElementById("message")
    if (composer) composer.focus()
    else visit(document.querySelector("[data-inbox-target=session]").href.replace(/#.*/, "#message"))
  }

  open({ params: { panel } }) {
    this.showPanel(this.form.dataset.open === panel ? "" : panel)
  }

  back() {
    this.showPanel("")
    this.element.focus({ preventScroll: true })
  }

  restore() {
    this.textarea.value = this.textarea.defaultValue
    this.changed({ target: this.textarea })
    this.textarea.focus()
  }

  showPanel(name) {
    this.form.dataset.open = name
    this.say("")
    for (const panel of this.form.querySelectorAll("[data-panel]")) panel.hidden = panel.dataset.panel !== name
    for (const button of this.form.querySelectorAll("[aria-expanded]")) {
      button.setAttribute("aria-expanded", String(button.dataset.decisionPanelParam === name))
    }
    const field = this.panel?.querySelector("textarea, input:checked")
    field?.focus()
    if (field?.localName !== "textarea") return
    field.setSelectionRange(field.value.length, field.value.length)
    this.changed({ target: field })
  }

  changed({ target }) {
    this.say("")
    if (target.localName === "textarea") {
      target.style.height = "auto"
      target.style.height = `${target.scrollHeight + 2}px`
    }
    if (target.name === "own" && target.value) target.closest(".opt").querySelector("[data-other]").checked = true
    if (target.name === "edit") this.showChange(target)
    const label = this.panel?.querySelector("[data-full]")
    if (label) label.textContent = target.value.trim() ? label.dataset.full : label.dataset.empty
  }

  // What was there before: its beginning, the part that goes, its end.
  showChange({ defaultValue: before, value: after }) {
    const most = Math.min(before.length, after.length)
    let start = 0
    while (start < most && before[start] === after[start]) start++
    let end = 0
    while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end++
    const was = this.panel.querySelector("[data-was]")
    was.hidden = before === after
    const parts = [before.slice(0, start), before.slice(start, before.length - end), before.slice(before.length - end)]
    parts.forEach((part, index) => (was.firstElementChild.children[index].textContent = showUnseen(part)))
  }

  submit(event) {
    event.preventDefault()
    try {
      const verdict = this.read()
      if (verdict) this.give(verdict)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      this.say(`This isn’t JSON: ${error.message}`)
    }
  }

  read() {
    switch (this.form.dataset.open) {
      case "remember":
        return { behavior: "allow", remember: Number(this.form.elements.rule.value) }
      case "edit":
        return this.readEdit()
      case "deny": {
        const message = this.textarea.value.trim()
        return { behavior: "deny", ...(message && { message }) }
      }
    }
    if (this.kindValue === "elicitation") return this.form.reportValidity() && readFields(this.form)
    return this.kindValue === "question" && this.readAnswers()
  }

  readEdit() {
    const { value, defaultValue } = this.textarea
    if (value === defaultValue) return { behavior: "allow", ...this.mode }
    const { field, rest } = this.panel.dataset
    return { behavior: "allow", input: field ? { ...JSON.parse(rest), [field]: value } : JSON.parse(value), ...this.mode }
  }

  readAnswers() {
    if (this.isStepped && this.step < this.questionTargets.length - 1) {
      if (readAnswers([this.questionTargets[this.step]])) this.showStep(this.step + 1)
      else this.say("Choose an answer first.")
      return null
    }
    const answers = readAnswers(this.questionTargets)
    if (answers) return { behavior: "allow", answers }
    this.say("There is no answer to one of the questions yet.")
    return null
  }

  showStep(step = this.step) {
    if (!this.isStepped) return
    this.step = step
    this.questionTargets.forEach((question, index) => (question.hidden = index !== step))
    const dashes = this.element.querySelectorAll(".stepper i")
    dashes.forEach((dash, index) => dash.classList.toggle("on", index <= step))
    const isLast = step === this.questionTargets.length - 1
    if (this.hasNextTarget) {
      this.nextTarget.querySelector("[data-label]").textContent = isLast ? "Send answers" : "Next question"
    }
    this.element.classList.add("is-stepped")
  }

  choose(number) {
    const keys = this.questionTargets.filter((question) => !question.hidden).flatMap((q) => [...q.querySelectorAll(".n")])
    const input = keys.find((key) => key.textContent === number)?.closest(".opt").querySelector("input")
    input?.click()
    input?.focus()
    if (input && "other" in input.dataset) input.closest(".opt").querySelector("textarea").focus()
  }

  // Whether all of the input has been on the screen; otherwise shows its end.
  hasShownEnd() {
    const box = this.inputTarget
    if (box.scrollHeight - box.scrollTop - box.clientHeight <= 4) return true
    box.scrollTop = box.scrollHeight
    this.say("This is the end of it. A to allow.", false)
    return false
  }

  async give(verdict) {
    if (this.element.ariaBusy || !mayDecide(this.element)) return false
    this.element.setAttribute("aria-busy", "true")
    this.say("")
    try {
      await give(this.idValue, this.digestValue, verdict)
      this.dispatch("given", { detail: { id: this.idValue } })
      return true
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.element.removeAttribute("aria-busy")
      if (error.code === "changed") await this.reload()
      this.say(error.message)
      return false
    }
  }

  // What is asked now, when it isn't what was shown.
  async reload() {
    const answer = await fetch(`/inbox/${encodeURIComponent(this.idValue)}`, { headers: { "Turbo-Frame": "inbox-detail" } })
    const page = new DOMParser().parseFromString(await answer.text(), "text/html")
    const card = page.getElementById(this.element.id)
    if (!card) return
    morphElements(this.element, card)
    say(this.element)
    sayYou(this.element)
  }

  say(words, isBad = true) {
    if (!this.hasProblemTarget) return
    this.problemTarget.textContent = words
    this.problemTarget.hidden = !words
    this.problemTarget.classList.toggle("bad", isBad)
  }

  get form() {
    return this.element.querySelector("form.controls")
  }

  get panel() {
    return this.form.querySelector("[data-panel]:not([hidden])")
  }

  get textarea() {
    return this.panel.querySelector("textarea")
  }

  get mode() {
    const mode = this.form?.elements.mode?.value
    return mode ? { mode } : {}
  }

  get isStepped() {
    const count = this.questionTargets.length
    return count > 2 || (count > 1 && matchMedia("(max-width: 599px)").matches)
  }
}
