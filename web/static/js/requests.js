// Requests of the page to the hub's API, with the token that proves they come from the page.

export class Refused extends Error {
  constructor(message, code = "") {
    super(message)
    this.code = code
  }
}

export async function request(method, path, body) {
  let response
  try {
    response = await fetch(path, {
      method,
      headers: {
        "Content-Type": "application/json",
        "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content,
      },
      body: body && JSON.stringify(body),
    })
  } catch {
    throw new Refused("The hub can’t be reached.")
  }
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new Refused(answer.error?.message ?? `The hub answered ${response.status}.`, answer.error?.code)
  return answer
}
