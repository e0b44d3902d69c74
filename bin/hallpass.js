#!/usr/bin/env node
// Starts the command line; in a fresh checkout it compiles first, so that nothing depends on install scripts.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const entry = join(root, 'dist/src/cli/main.js')
if (!existsSync(entry)) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const built = spawnSync(process.execPath, [compiler, '-b', root], { stdio: ['ignore', 2, 2] })
  if (built.status !== 0) process.exit(built.status ?? 1)
}
await import(entry)
