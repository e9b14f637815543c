// The WebSocket that brings changes. It resumes after the last change the page has, so nothing is
// missed or shown twice; after five seconds without it a banner says how old the page is.

import { Controller } from "../../vendor/stimulus.js"
import { renderStreamMessage, visit } from "../../vendor/turbo.js"
import { sayClock } from "../times.js"

const FIRST_WAIT = 400
const LONGEST_WAIT = 15_000
const PATIENCE = 5_000

export default class extends Controller {
  static targets = ["banner", "since"]
  static values = { view: String, session: String }

  connect() {
    this.goAway(true)
    this.attempts = 0
    this.lastSeen = new Date()
    this.retryNow = () => this.retry()
    addEventListener("online", this.retryNow)
    this.open()
  }

  disconnect() {
    removeEventListener("online", this.retryNow)
    clearTimeout(this.timer)
    clearTimeout(this.bannerTimer)
    this.drop()
  }

  retry() {
    if (this.socket?.readyState === WebSocket.OPEN) return
    clearTimeout(this.timer)
    this.drop()
    this.open()
  }

  open() {
    const address = new URL("/ws/dashboard", location.href)
    address.protocol = address.protocol.replace("http", "ws")
    address.searchParams.set("format", "html")
    address.searchParams.set("view", this.viewValue)
    if (this.sessionValue) address.searchParams.set("session", this.sessionValue)
    address.searchParams.set("after", this.changeId.content)
    this.socket = new WebSocket(address)
    this.socket.onopen = () => this.opened()
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data))
    this.socket.onclose = () => this.closed()
  }

  opened() {
    this.attempts = 0
    clearTimeout(this.bannerTimer)
    this.bannerTimer = null
    this.bannerTarget.hidden = true
    document.documentElement.classList.remove("is-offline")
  }

  receive(frame) {
    this.lastSeen = new Date()
    if (frame.reload) return visit(location.href, { action: "replace" })
    if (frame.change_id !== undefined) this.changeId.content = frame.change_id
    if (frame.html) this.render(frame.html)
    if (frame.live) this.goAway(false)
  }

  render(html) {
    // Before there are sessions the page has no place for them: it is another page then.
    const isFirst = html.includes('target="groups"')
    if (isFirst && document.getElementById("first-run")) return visit(location.href, { action: "replace" })
    renderStreamMessage(html)
  }

  // Nothing is decided on a page that may be old.
  goAway(away) {
    document.documentElement.classList.toggle("is-away", away)
  }

  closed() {
    this.goAway(true)
    this.bannerTimer ??= setTimeout(() => this.admit(), PATIENCE)
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.attempts++)
    this.timer = setTimeout(() => this.open(), longest * (0.5 + Math.random() / 2))
    if (this.attempts % 3 === 0) this.checkSignedIn()
  }

  admit() {
    this.sinceTarget.textContent = sayClock(this.lastSeen)
    this.bannerTarget.hidden = false
    document.documentElement.classList.add("is-offline")
  }

  // A refused upgrade looks like a broken line; only a request tells that one is signed out.
  async checkSignedIn() {
    const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null)
    if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) location.reload()
  }

  drop() {
    if (!this.socket) return
    this.socket.onclose = this.socket.onmessage = this.socket.onopen = null
    this.socket.close()
  }

  get changeId() {
    return document.querySelector("meta[name=change-id]")
  }
}
