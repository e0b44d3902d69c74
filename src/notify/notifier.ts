import type { EventType } from './emit-event.ts'

/** A committed event on its way out. */
export interface OutboxEvent {
  /** The same at every attempt: receivers drop repetitions by it. */
  readonly id: string
  readonly type: EventType
  readonly orderKey: string
  readonly data: Readonly<Record<string, unknown>>
  readonly createdAt: Date
}

/**
 * One way of telling people or systems. The outbox calls `deliver` at least once per event, in order per
 * order key, on any replica, and never inside a transaction.
 */
export interface Notifier {
  /** Stable: what is owed is stored under it. */
  readonly name: string
  /**
   * Resolves when the event has arrived and rejects when it has not; then it is tried again later. Must let
   * go when `signal` aborts: after that the next attempt may begin.
   */
  deliver(event: OutboxEvent, signal: AbortSignal): Promise<void>
}

/**
 * Why an attempt failed, fit to be stored and shown: the message holds no secret. Of any other error only
 * the name and code are kept.
 */
export class DeliveryFailure extends Error {
  /** Not before so many seconds, when the receiver said so. */
  readonly retryAfterSeconds: number | undefined
  /** No later attempt can do better: the delivery becomes undeliverable at once. */
  readonly isFinal: boolean

  constructor(
    message: string,
    options: { readonly retryAfterSeconds?: number | undefined; readonly isFinal?: boolean } = {},
  ) {
    super(message)
    this.name = 'DeliveryFailure'
    this.retryAfterSeconds = options.retryAfterSeconds
    this.isFinal = options.isFinal ?? false
  }
}
