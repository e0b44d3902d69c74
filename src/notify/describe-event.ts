import type { OutboxEvent } from './notifier.ts'

const shown = ['subject', 'role', 'resource', 'scopes', 'state', 'reviewer', 'verdict', 'ends_at']
const maxValueLength = 80

/** One line for people: `grant.opened req_…: subject=alice@example.com role=billing-operator`. */
export function describeEvent({ type, orderKey, data }: OutboxEvent): string {
  const facts = shown.flatMap((name) => {
    const value = data[name]
    return isShowable(value) ? [`${name}=${printable(value)}`] : []
  })
  return facts.length === 0 ? `${type} ${orderKey}` : `${type} ${orderKey}: ${facts.join(' ')}`
}

type Showable = string | number | boolean | readonly string[]

function isShowable(value: unknown): value is Showable {
  if (Array.isArray(value)) return value.every((each) => typeof each === 'string')
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function printable(value: Showable): string {
  const text = typeof value === 'object' ? value.join(',') : String(value)
  return text.replaceAll(/\p{Cc}/gu, ' ').slice(0, maxValueLength)
}
