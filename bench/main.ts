import { benchAskApproveMint } from './ask-approve-mint.ts'
import { benchExpiry } from './expiry.ts'
import { benchIntrospection } from './introspection.ts'

const benches: Readonly<Record<string, () => Promise<string>>> = {
  'ask-approve-mint': benchAskApproveMint,
  introspection: benchIntrospection,
  expiry: benchExpiry,
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** `npm run bench` runs all of them, `npm run bench -- introspection` one. */
async function main(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => benches[name] === undefined)
  if (unknown.length > 0) {
    say(`There is no bench ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}.`)
    process.exitCode = 2
    return
  }
  for (const name of names.length === 0 ? Object.keys(benches) : names) {
    say(`\n## ${name}\n\n${await benches[name]?.()}`)
  }
}

// through 'exit', where children and servers are seen to
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
await main(process.argv.slice(2))
