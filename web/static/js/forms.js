// What a person chose and wrote on a card, as a verdict says it.

// The answers to these questions by their texts; null if one has none.
export function readAnswers(questions) {
  const answers = Object.create(null) // a text may be __proto__
  for (const question of questions) {
    const chosen = [...question.querySelectorAll("input:checked")].map((input) =>
      "other" in input.dataset ? input.closest(".opt").querySelector("textarea").value.trim() : input.value,
    )
    if (!chosen.length || chosen.includes("")) {
      question.querySelector("input:checked ~ .opt-text textarea, input").focus()
      return null
    }
    answers[question.dataset.asked] = "several" in question.dataset ? chosen : chosen[0]
  }
  return answers
}

// A form's fields by their names; what was left empty isn't said.
export function readFields(form) {
  const answers = Object.create(null)
  for (const box of form.querySelectorAll("[data-field]")) {
    const value = readField(box)
    if (value !== undefined) answers[box.dataset.field] = value
  }
  return { behavior: "allow", answers }
}

function readField(box) {
  const { kind } = box.dataset
  if (kind === "choices") return [...box.querySelectorAll("input:checked")].map((input) => input.value)
  const input = box.querySelector("input:checked, select, input:not([type=radio])")
  if (kind === "boolean") return input.checked
  if (!input?.value) return undefined
  if (kind === "number" || kind === "integer") return Number(input.value)
  return input.type === "datetime-local" ? new Date(input.value).toISOString() : input.value
}
