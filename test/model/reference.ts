import type { Action } from './actions.ts'
import { type Effect, nothing } from './effect.ts'
import * as grants from './reference-grants.ts'
import * as requests from './reference-requests.ts'
import type { World } from './world.ts'

/** Every code that an act may be refused with now; empty when it must be done. */
export function judge(world: World, action: Action): readonly string[] {
  if ('who' in action && world.disabled.has(action.who)) return ['not_permitted']
  switch (action.kind) {
    case 'ask':
    case 'preview':
      return requests.judgeAsking(world, action)
    case 'review':
      return requests.judgeReview(world, action)
    case 'cancel':
    case 'comment':
      return requests.judgeOwnAct(world, action)
    case 'extend':
      return requests.judgeExtension(world, action)
    case 'release':
    case 'revoke':
    case 'suspend':
    case 'resume':
      return grants.judgeGrantAct(world, action)
    case 'mint':
      return grants.judgeMint(world, action)
    case 'revoke-subject':
    case 'disable-subject':
    case 'enable-subject':
    case 'revoke-resource':
      return grants.judgeGoverning(action)
    case 'introspect':
    case 'look':
    case 'advance':
    case 'run-jobs':
    case 'restart':
      return []
    default:
      return action satisfies never
  }
}

/** Does to the world what the act does. Only when nothing refuses it. */
export function effectOf(world: World, action: Action): Effect {
  switch (action.kind) {
    case 'ask':
      return requests.ask(world, action)
    case 'preview':
      return requests.preview(world, action)
    case 'review':
      return requests.review(world, action)
    case 'cancel':
      return requests.cancel(world, action)
    case 'comment':
      world.request(action.request).commentCount += 1
      return { ...nothing, changes: [{ request: action.request }] }
    case 'extend':
      return requests.extend(world, action)
    case 'release':
    case 'revoke':
      return grants.end(world, action)
    case 'suspend':
      return grants.suspend(world, action)
    case 'resume':
      return grants.resume(world, action)
    case 'mint':
      return grants.mint(world, action)
    case 'revoke-subject':
    case 'disable-subject':
      return grants.endSubject(world, action)
    case 'enable-subject':
      return grants.enableSubject(world, action)
    case 'revoke-resource':
      return grants.endResource(world, action)
    case 'introspect':
      return grants.introspect(world, action)
    case 'look':
      return requests.look(world, action)
    case 'advance':
      world.now += action.seconds * 1000
      return nothing
    case 'run-jobs':
      return grants.runJobs(world)
    case 'restart':
      // it takes a moment
      world.now += 1000
      return nothing
    default:
      return action satisfies never
  }
}
