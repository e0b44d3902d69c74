import { durationOf } from './duration.ts'
import type { JsonObject } from './rest-client.ts'
import { tableOf } from './table.ts'
import { printable, shortened } from './terminal-text.ts'

const text = (value: unknown) => printable(String(value))
const list = (value: unknown) => (Array.isArray(value) ? value.map(text) : [])
const objects = (value: unknown) => (Array.isArray(value) ? (value as JsonObject[]) : [])
const duration = (value: unknown) => durationOf(Number(value))

/** One request, with everything that a reviewer decides by. */
export function requestText(request: JsonObject): string {
  const scopes = list(request.scopes).join(', ')
  const ticket = request.ticket == null ? '' : ` [${text(request.ticket)}]`
  const lines = [
    `${text(request.id)}  ${text(request.state)}`,
    `  ${text(request.subject)} asks for ${text(request.role)} on ${text(request.resource)} (${scopes}) for ${duration(request.duration_seconds)}`,
    `  why: ${text(request.justification)}${ticket}`,
    ...circumstances(request),
    ...objects(request.reviews).map(reviewText),
    ...objects(request.comments).map(
      (comment) => `  ${text(comment.author)} says: ${text(comment.text)}`,
    ),
  ]
  if (request.state === 'pending') {
    lines.push(...objects(request.approval).map(seatText))
    lines.push(`  waits for ${reviewersOf(request)} until ${text(request.answer_by)}`)
  }
  if (request.grant_id != null) {
    const grant = text(request.grant_id)
    lines.push(`  grant ${grant}; get a token with: hallpass token ${grant}`)
  }
  return lines.join('\n')
}

function circumstances(request: JsonObject): string[] {
  const lines: string[] = []
  if (request.starts_at != null) lines.push(`  starts at ${text(request.starts_at)}`)
  if (request.extends_grant_id != null) {
    lines.push(`  more time for grant ${text(request.extends_grant_id)}`)
  }
  if (request.is_break_glass === true) {
    const reviewed =
      request.after_review == null ? '' : `; its review: ${text(request.after_review)}`
    lines.push(`  EMERGENCY ACCESS${reviewed}`)
  }
  return lines
}

function seatText(seat: JsonObject): string {
  const filled = list(seat.approved_by)
  const open = Number(seat.count) - filled.length
  const still = open > 0 ? `, ${open} to come` : ''
  const by = filled.length === 0 ? '' : ` (${filled.join(', ')})`
  return `  needs ${text(seat.count)} from ${list(seat.from).join(' or ')}${by}${still}`
}

function reviewText(review: JsonObject): string {
  const verdict = review.verdict === 'approve' ? 'approved' : 'denied'
  const narrowed = [
    ...(review.scopes == null ? [] : [`only ${list(review.scopes).join(', ')}`]),
    ...(review.duration_seconds == null ? [] : [`for ${duration(review.duration_seconds)}`]),
  ].join(' ')
  const comment = review.comment == null ? '' : `: ${text(review.comment)}`
  return `  ${verdict} by ${text(review.reviewer)}${narrowed === '' ? '' : ` ${narrowed}`}${comment}`
}

/** Who could approve, at most five by name. */
export function reviewersOf(request: JsonObject): string {
  const people = list(request.eligible_reviewers)
  if (people.length === 0) return 'a reviewer'
  return people.length <= 5
    ? people.join(', ')
    : `${people.slice(0, 5).join(', ')} and ${people.length - 5} more`
}

export function requestTable(items: readonly JsonObject[]): string {
  return tableOf(
    ['request', 'state', 'subject', 'role', 'scopes', 'for', 'why'],
    items.map((item) => [
      String(item.id),
      String(item.state),
      String(item.subject),
      String(item.role),
      list(item.scopes).join(' '),
      duration(item.duration_seconds),
      shortened(text(item.justification), 60),
    ]),
    'There is no such request.',
  )
}

/** What would happen if one asked. */
export function previewText(preview: JsonObject): string {
  const decision = String(preview.decision)
  const meaning: Record<string, string> = {
    allow: 'you would get it at once',
    review: `it needs approval; who could give it: ${reviewersOf(preview)}`,
    deny: 'it would be refused',
  }
  return [
    `${text(decision)}: ${meaning[decision] ?? ''}`,
    ...(preview.policy == null ? [] : [`policy: ${text(preview.policy)}`]),
    ...(preview.max_duration_seconds == null
      ? []
      : [`longest time: ${duration(preview.max_duration_seconds)}`]),
    ...objects(preview.reasons).map((reason) => `  - ${text(reason.message)}`),
  ].join('\n')
}
