import fc from 'fast-check'
import { type Action, type ActionOf, plannedActions } from './actions.ts'
import { admin } from './company.ts'
import { Step, type Story } from './step.ts'
import type { System } from './system.ts'
import { World } from './world.ts'

const alice = 'alice@example.com'
const bob = 'bob@example.com'
const carol = 'carol@example.com'
const dana = 'dana@example.com'

const ask = {
  kind: 'ask',
  justification: 'void a duplicate invoice',
  ticket: 'INC-1',
  durationSeconds: 3600,
  isBreakGlass: false,
} as const

const approve = (who: string): ActionOf<'review'> => ({
  kind: 'review',
  who,
  request: 0,
  verdict: 'approve',
})

const holding: readonly Action[] = [
  { ...ask, who: alice, role: 'operator' },
  approve(bob),
  { kind: 'mint', who: alice, grant: 0 },
  { kind: 'mint', who: alice, grant: 0, scopes: ['invoices:read'] },
]

/** Where a story may begin, so that few steps lead far. */
const beginnings: readonly (readonly Action[])[] = [
  [],
  holding,
  [
    ...holding,
    { kind: 'extend', who: alice, grant: 0, durationSeconds: 3600, ticket: 'INC-2' },
    { kind: 'advance', seconds: 3000 },
  ],
  [
    { ...ask, who: dana, role: 'operator', durationSeconds: 1800, isBreakGlass: true },
    { kind: 'mint', who: dana, grant: 0 },
  ],
  [
    { ...ask, who: dana, role: 'payer', durationSeconds: 7200 },
    { ...approve('bob.admin@example.com'), durationSeconds: 1800 },
  ],
  [
    { ...ask, who: alice, role: 'payer' },
    approve(bob),
    approve('sam@example.com'),
    { kind: 'extend', who: alice, grant: 0, durationSeconds: 3600, ticket: 'INC-2' },
  ],
  [
    { ...ask, who: alice, role: 'reader' },
    { kind: 'mint', who: alice, grant: 0 },
    { kind: 'revoke-subject', who: admin, subject: alice },
    { ...ask, who: alice, role: 'reader' },
    { kind: 'advance', seconds: 300 },
  ],
  [
    { ...ask, who: bob, role: 'auditor', startsInSeconds: 7200 },
    approve(carol),
    approve('alice.admin@example.com'),
  ],
  [
    { ...ask, who: bob, role: 'auditor' },
    approve(carol),
    approve('sam@example.com'),
    { kind: 'mint', who: bob, grant: 0 },
    { kind: 'suspend', who: admin, grant: 0 },
  ],
]

/** Stories of at most so many steps after their beginning. */
export function stories(options: { readonly maxSteps: number; readonly withRestarts: boolean }) {
  const steps = plannedActions(options).map((planned) => planned.map((plan) => new Step(plan)))
  return fc.tuple(
    fc.constantFrom(...beginnings),
    fc.commands(steps, { maxCommands: options.maxSteps, size: 'max' }),
  )
}

type Plan = ReturnType<typeof stories> extends fc.Arbitrary<infer P> ? P : never

/** Tells a story to the model and to the system. `answers` gathers what was met. */
export async function tell(
  [beginning, steps]: Plan,
  system: System,
  start: Date,
  answers: Set<string>,
): Promise<void> {
  const story: Story = {
    world: new World(start.getTime()),
    history: { requests: [], grants: [] },
    answers,
  }
  for (const action of beginning) await new Step(() => action).run(story, system)
  await fc.asyncModelRun(() => ({ model: story, real: system }), steps)
}
