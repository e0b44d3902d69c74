import { createUseRecorder } from '../../src/usage/index.ts'
import type { TestServices } from '../support/context.ts'

/** A use as introspection observes it; `scope` left out when the resource named none. */
export interface ObservedUse {
  readonly grantId: string
  readonly scope?: string
  readonly at: Date
}

/** Records uses as one replica does, and waits until they are written. */
export async function record(test: TestServices, ...uses: readonly ObservedUse[]): Promise<void> {
  const recorder = createUseRecorder(test.services)
  for (const { grantId, scope, at } of uses) recorder.observer.observeUse({ grantId, scope, at })
  await recorder.stop()
}
