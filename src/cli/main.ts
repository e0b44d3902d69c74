import { spawn } from 'node:child_process'
import { userInfo } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommandIo } from './io.ts'
import { runCommandLine } from './program.ts'

function openBrowser(url: string): boolean {
  const hasScreen =
    process.platform !== 'linux' ||
    process.env.DISPLAY !== undefined ||
    process.env.WAYLAND_DISPLAY !== undefined
  if (!hasScreen) return false
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open'
  const child = spawn(opener, [url], { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
  return true
}

const io: CommandIo = {
  environment: process.env,
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
  isTerminal: process.stdout.isTTY === true,
  now: () => new Date(),
  sleep: (milliseconds) => sleep(milliseconds),
  openBrowser,
  operatingSystemUser: userInfo().username,
}

// a reader that stops early (`| head`) is no error
process.stdout.on('error', () => process.exit(0))
process.exitCode = await runCommandLine(process.argv.slice(2), io)
