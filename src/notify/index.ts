export { type EventFacts, type EventType, emitEvent } from './emit-event.ts'
