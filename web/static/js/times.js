// Says every <time> in the reader's own zone and keeps the relative ones true: one timer for all.
// The rules are those of hub/pages/times.py, which says the same in UTC.

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" })
const weekday = new Intl.DateTimeFormat("en", { weekday: "short" })
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const dayAndYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" })

export function startClock() {
  addEventListener("turbo:load", () => say(document.documentElement))
  addEventListener("turbo:frame-load", ({ target }) => say(target))
  setInterval(() => document.hidden || tick(), SECOND)
  addEventListener("visibilitychange", () => document.hidden || tick())
  say(document.documentElement)
}

// Everything within an element, clocks included.
export function say(element) {
  for (const time of element.querySelectorAll("time[datetime]")) {
    time.title = exact.format(new Date(time.dateTime))
    sayOne(time)
  }
  sayOldest()
}

export function sayClock(date) {
  return clock.format(date)
}

function tick() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-format=clock])")) sayOne(time)
  sayOldest()
}

function sayOne(time) {
  const at = new Date(time.dateTime)
  const age = Date.now() - at
  const words = {
    ago: () => sayAgo(at, age),
    waiting: () => (age < 5 * SECOND ? "waiting" : `waiting ${sayAgo(at, age)}`),
    clock: () => clock.format(at),
    elapsed: () => sayElapsed(age),
  }[time.dataset.format]()
  if (time.textContent !== words) time.textContent = words
}

function sayAgo(at, age) {
  if (age < 5 * SECOND) return "now"
  if (age < MINUTE) return `${Math.floor(age / SECOND)}s`
  if (age < HOUR) return `${Math.floor(age / MINUTE)}m`
  if (age < DAY) return `${Math.floor(age / HOUR)}h`
  if (age < 6 * DAY) return weekday.format(at)
  return (at.getFullYear() === new Date().getFullYear() ? day : dayAndYear).format(at)
}

function sayElapsed(age) {
  const seconds = Math.max(0, Math.floor(age / SECOND))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`
  return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`
}

// The rail's headline says how long the first of the list has waited.
function sayOldest() {
  const oldest = document.getElementById("oldest")
  const first = document.querySelector("#needs time")
  if (oldest) oldest.textContent = first ? `oldest ${first.textContent}` : ""
}
