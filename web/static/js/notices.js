// Notifications by the page itself, while it is open but hidden: one for whatever has stood in "Needs you" for ten
// seconds, taken back when it is gone from there.

const PATIENCE = 10_000
const WANTED = "heliograph:notices"

export class PageNotices {
  get isWanted() {
    return localStorage.getItem(WANTED) === "page"
  }

  set isWanted(wanted) {
    if (wanted) localStorage.setItem(WANTED, "page")
    else localStorage.removeItem(WANTED)
    this.watch()
  }

  // The worker is registered only once somebody wants notifications.
  async register() {
    await navigator.serviceWorker.register("/sw.js", { scope: "/" })
    return navigator.serviceWorker.ready
  }

  watch() {
    this.rest()
    const list = document.getElementById("needs")
    if (!list || !this.isWanted || !isSecureContext || Notification.permission !== "granted") return
    this.waiting = new Map()
    this.observer = new MutationObserver(() => this.compare(list))
    this.observer.observe(list, { childList: true })
    this.compare(list)
  }

  rest() {
    this.observer?.disconnect()
    for (const timer of this.waiting?.values() ?? []) clearTimeout(timer)
    this.waiting = new Map()
  }

  compare(list) {
    const there = new Map([...list.children].filter((child) => child.id).map((child) => [child.id, child]))
    for (const [id, timer] of this.waiting) {
      if (there.has(id)) continue
      clearTimeout(timer)
      this.waiting.delete(id)
      this.withdraw(id)
    }
    for (const [id, child] of there) {
      if (!this.waiting.has(id)) this.waiting.set(id, setTimeout(() => this.tell(id, child), PATIENCE))
    }
  }

  tell(id, child) {
    if (!document.hidden) return
    const title = child.querySelector("bdi")?.textContent.trim()
    const link = child.closest("a") ?? child.querySelector("a")
    this.show(title || "A session needs you", "Claude waits for you", id, link?.getAttribute("href") ?? "/inbox")
  }

  async show(title, body, tag, path) {
    const registration = await this.register()
    return registration.showNotification(title, { body, tag, data: { path } })
  }

  async withdraw(tag) {
    const registration = await navigator.serviceWorker.getRegistration("/")
    for (const notification of (await registration?.getNotifications({ tag })) ?? []) notification.close()
  }
}
