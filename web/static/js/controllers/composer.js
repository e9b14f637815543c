// Writing to a session: grows with the text, keeps a draft per session, shows the message at once. What
// is sent is kept too until the hub has it: a page that loads before that has it in the composer again.

import { Controller } from "../../vendor/stimulus.js"
import { visit } from "../../vendor/turbo.js"
import { Refused, request } from "../requests.js"

export default class extends Controller {
  static targets = ["text", "template"]
  static values = { session: String }

  connect() {
    this.restore()
    this.resize()
  }

  changed() {
    this.keep()
    this.resize()
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) this.send(event)
  }

  send(event) {
    event.preventDefault()
    const text = this.textTarget.value
    if (!text.trim()) return this.textTarget.focus()
    const when = this.element.elements.when?.value ?? "auto"
    const clientId = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`
    this.keepUnsent({ ...this.listUnsent(), [clientId]: text })
    this.textTarget.value = ""
    this.changed()
    this.textTarget.focus()
    this.post(text, clientId, when)
  }

  async post(text, clientId, when, shown = this.show(text, clientId)) {
    try {
      const path = `/api/v1/sessions/${encodeURIComponent(this.sessionValue)}/messages`
      const answer = await request("POST", path, { text, client_id: clientId, when })
      const { [clientId]: _, ...unsent } = this.listUnsent()
      this.keepUnsent(unsent)
      shown.dataset.messageId = answer.message_id
      if (answer.session_id && answer.session_id !== this.sessionValue) {
        visit(`/sessions/${encodeURIComponent(answer.session_id)}`)
      } else if (document.querySelector(`[data-message-id="${CSS.escape(answer.message_id)}"]:not(.is-sending)`)) {
        shown.remove()
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.fail(shown, text, clientId, when, error.message)
    }
  }

  show(text, clientId) {
    const shown = this.templateTarget.content.firstElementChild.cloneNode(true)
    shown.dataset.clientId = clientId
    shown.querySelector("[data-text]").textContent = text
    const timeline = document.getElementById("timeline")
    timeline.append(shown)
    shown.dispatchEvent(new CustomEvent("heliograph:sent", { bubbles: true }))
    return shown
  }

  // Nothing is lost and nothing is sent again by itself: the same client_id makes trying again safe.
  fail(shown, text, clientId, when, reason) {
    const again = shown.querySelector("[data-again]")
    const mark = (failed, words) => {
      shown.querySelector(".said").classList.toggle("bad", failed)
      shown.querySelector(".receipt").classList.toggle("bad", failed)
      shown.querySelector("[data-words]").textContent = words
      again.hidden = !failed
    }
    mark(true, `Not sent. ${reason}`)
    again.onclick = () => {
      mark(false, "Waiting for the hub")
      this.post(text, clientId, when, shown)
    }
  }

  keep() {
    store(this.draft, this.textTarget.value)
  }

  restore() {
    const unsent = Object.entries(this.listUnsent())
    const lost = unsent.filter(([id]) => !document.querySelector(`[data-client-id="${CSS.escape(id)}"]`))
    const draft = localStorage.getItem(this.draft)
    this.textTarget.value = [...lost.map(([, text]) => text), ...(draft ? [draft] : [])].join("\n\n")
    this.keep()
    this.keepUnsent({})
  }

  listUnsent() {
    return JSON.parse(localStorage.getItem(this.unsent) ?? "{}")
  }

  keepUnsent(texts) {
    store(this.unsent, Object.keys(texts).length ? JSON.stringify(texts) : "")
  }

  resize() {
    this.textTarget.style.height = "auto"
    this.textTarget.style.height = `${this.textTarget.scrollHeight}px`
  }

  get draft() {
    return `heliograph:draft:${this.sessionValue}`
  }

  get unsent() {
    return `heliograph:unsent:${this.sessionValue}`
  }
}

function store(key, text) {
  if (text) localStorage.setItem(key, text)
  else localStorage.removeItem(key)
}
