// Notifications in this browser, if somebody wants them: by push, which also works with no page open; where the
// browser has no push service, by this page while it is open.

import { Controller } from "../../vendor/stimulus.js"
import { PageNotices } from "../notices.js"
import { Refused, request } from "../requests.js"

const WORDS = {
  insecure: "Browsers allow them over https and on localhost only.",
  home: "On an iPhone or iPad, add this page to the Home Screen first, and open it from there.",
  unsupported: "This browser has none.",
  blocked: "They are blocked for this page. Allow them in the browser’s settings.",
  off: "They tell you what has waited for you for ten seconds. Your browser’s push service learns that, but not what.",
  on: "On. Also while no page is open.",
  failing: "On, but the browser’s push service doesn’t take them.",
  page: "On while a page is open: this browser has no push service.",
}

export default class extends Controller {
  static targets = ["words", "turnOn", "test", "turnOff"]

  connect() {
    this.notices = new PageNotices()
    this.notices.watch()
  }

  disconnect() {
    this.notices.rest()
  }

  look() {
    if (this.element.open) this.attempt(() => this.find())
  }

  turnOn() {
    this.attempt(async () => {
      if ((await Notification.requestPermission()) !== "granted") return this.find()
      await this.subscribe()
      return this.find()
    })
  }

  turnOff() {
    this.attempt(async () => {
      this.notices.isWanted = false
      if (this.device) await request("DELETE", this.path())
      await (await this.getSubscription())?.unsubscribe()
      return this.find()
    })
  }

  test() {
    this.attempt(async () => {
      if (this.device) await request("POST", this.path("/test"))
      else await this.notices.show("Heliograph", "Notifications arrive in this browser.", "test", "/")
      this.wordsTarget.textContent = "Sent. It shows in a moment."
    })
  }

  async find() {
    const missing = findMissing()
    if (missing) return this.show(missing)
    if (Notification.permission === "denied") return this.show("blocked")
    const { devices } = await request("GET", "/api/v1/push")
    const isSubscribed = (await this.getSubscription()) !== null
    this.device = isSubscribed && devices.find((device) => device.here)
    if (this.device) return this.show(this.device.failed_at ? "failing" : "on")
    this.show(this.notices.isWanted ? "page" : "off")
  }

  // An older subscription may be of another key or of somebody else.
  async subscribe() {
    const { public_key: key } = await request("GET", "/api/v1/push")
    const { pushManager } = await this.notices.register()
    if (!pushManager) return (this.notices.isWanted = true)
    await (await pushManager.getSubscription())?.unsubscribe()
    let subscription
    try {
      subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
    } catch (error) {
      if (error.name === "NotAllowedError") throw error
      return (this.notices.isWanted = true)
    }
    await request("POST", "/api/v1/push", subscription.toJSON())
    this.notices.isWanted = false
  }

  async getSubscription() {
    const registration = await navigator.serviceWorker.getRegistration("/")
    return (await registration?.pushManager?.getSubscription()) ?? null
  }

  async attempt(work) {
    const buttons = [this.turnOnTarget, this.testTarget, this.turnOffTarget]
    for (const button of buttons) button.disabled = true
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Refused || error instanceof DOMException)) throw error
      this.wordsTarget.textContent = error.message
    } finally {
      for (const button of buttons) button.disabled = false
    }
  }

  show(state) {
    const isOn = ["on", "failing", "page"].includes(state)
    this.element.dataset.state = state
    this.wordsTarget.textContent = WORDS[state]
    this.turnOnTarget.hidden = state !== "off"
    this.testTarget.hidden = this.turnOffTarget.hidden = !isOn
  }

  path(rest = "") {
    return `/api/v1/push/${encodeURIComponent(this.device.subscription_id)}${rest}`
  }
}

function findMissing() {
  if (!isSecureContext) return "insecure"
  if ("Notification" in window && "serviceWorker" in navigator) return null
  return /iPhone|iPad/.test(navigator.userAgent) ? "home" : "unsupported"
}
