import { secondsOf } from './duration.ts'
import { CommandEnd, exitStatus } from './io.ts'
import type { Session } from './program.ts'
import { reviewersOf } from './request-text.ts'
import type { JsonObject } from './rest-client.ts'

const firstPauseMilliseconds = 500
const longestPauseMilliseconds = 5_000
/** How long the broker may be away (a restart, a hiccup) before waiting is given up. */
const patienceMilliseconds = 60_000
/** Its time to answer is over: the broker says `expired` then, by its own clock. */
const clockToleranceMilliseconds = 5_000

/** Looks until the request is decided, its time to answer is over, or `waitFor` has passed. Gives how it stands then. */
export async function waitForDecision(
  session: Session,
  asked: JsonObject,
  waitFor: string | undefined,
): Promise<JsonObject> {
  const { io } = session
  const now = () => io.now().getTime()
  const until =
    waitFor === undefined
      ? Date.parse(String(asked.answer_by)) + clockToleranceMilliseconds
      : now() + secondsOf(waitFor) * 1000
  if (asked.state === 'pending') {
    session.remark(`${String(asked.id)} waits for ${reviewersOf(asked)} …`)
  }
  let request = asked
  let pause = firstPauseMilliseconds
  let lastAnswer = now()
  while (request.state === 'pending' && now() < until) {
    await io.sleep(Math.min(pause, Math.max(50, until - now())))
    pause = Math.min(pause * 1.5, longestPauseMilliseconds)
    try {
      request = await session.rest().get(`/v1/requests/${String(asked.id)}`)
      lastAnswer = now()
    } catch (error) {
      const isAway = error instanceof CommandEnd && error.status === exitStatus.unreachable
      if (!isAway || now() - lastAnswer > patienceMilliseconds) throw error
    }
  }
  return request
}
