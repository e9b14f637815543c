// Shows what needs somebody, told by the hub's pushes: ids only, so what it says comes from the hub, with the cookie
// of whoever is signed in here. Keeps nothing.

const ASK = {
  permission: (decision) => `Claude asks to use ${decision.tool_name}`,
  question: () => "Claude has a question",
  plan: () => "Claude has a plan to approve",
  elicitation: (decision) => `${decision.tool_name} asks for something`,
}
const LINE = 140
const PATIENCE = 5_000

const closed = new Set()

addEventListener("install", () => skipWaiting())
addEventListener("activate", (event) => event.waitUntil(clients.claim()))
addEventListener("push", (event) => event.waitUntil(takeInTurn(event.data?.json() ?? {})))
addEventListener("notificationclick", (event) => {
  event.notification.close()
  event.waitUntil(bring(event.notification.data?.path ?? "/inbox"))
})

// A browser that is asked what it shows forgets what it is only about to show.
let turn = Promise.resolve()
function takeInTurn(push) {
  if (push.closed) closed.add(push.closed)
  const taken = turn.then(() => take(push))
  turn = taken.catch(() => null)
  return taken
}

async function take(push) {
  if (push.test) return show("Heliograph", "Notifications arrive in this browser.", "test", "/")
  if (push.closed) return withdraw(push.closed)
  if (!push.decision_id) return
  closed.delete(push.decision_id)
  const decision = await find(push.decision_id)
  if (closed.has(push.decision_id) || (decision && decision.state !== "open")) return dismiss(push.decision_id)
  const title = plain(decision?.session_title ?? "") || "A session needs you"
  const others = push.n > 1 ? `${push.n} things wait for you` : ""
  const body = [decision && say(decision), others].filter(Boolean).join("\n")
  return show(title, body, push.decision_id, `/inbox/${encodeURIComponent(push.decision_id)}`)
}

async function find(decisionId) {
  try {
    const signal = AbortSignal.timeout(PATIENCE) // other pushes wait for their turn
    const answer = await fetch(`/api/v1/decisions/${encodeURIComponent(decisionId)}`, { cache: "no-store", signal })
    return answer.ok ? await answer.json() : null
  } catch {
    return null
  }
}

function say(decision) {
  const what = plain(ASK[decision.kind]?.(decision) ?? "Claude waits for you")
  const input = decision.input ?? {}
  const detail = input.command ?? input.file_path ?? input.url ?? input.message ?? decision.questions?.[0]?.question
  return typeof detail === "string" ? `${what}: ${shorten(detail)}` : what
}

// What can't be seen, or turns text around, must not make it look like something else.
function plain(text) {
  return text.replace(/\s+/gu, " ").replace(/[\p{Cc}\p{Cf}]/gu, "�").trim()
}

function shorten(text) {
  const line = plain(text)
  return line.length > LINE ? `${line.slice(0, LINE)}…` : line
}

function show(title, body, tag, path) {
  return registration.showNotification(title, { body, tag, data: { path } })
}

// Safari ends a subscription for which pushes come that show nothing at all. What has just been shown, a browser may
// list a moment later.
async function dismiss(tag) {
  await show("Heliograph", "Answered already.", tag, "/inbox")
  for (let looks = 20; looks && !(await withdraw(tag)); looks--) await new Promise((done) => setTimeout(done, 50))
}

async function withdraw(tag) {
  closed.add(tag)
  const shown = await registration.getNotifications({ tag })
  for (const notification of shown) notification.close()
  return shown.length
}

async function bring(path) {
  const [page] = await clients.matchAll({ type: "window", includeUncontrolled: true })
  if (!page) return clients.openWindow(path)
  await page.focus().catch(() => null)
  return page.navigate(path).catch(() => clients.openWindow(path))
}
