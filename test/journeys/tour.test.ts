import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { installationRoot } from '../../src/installation.ts'
import { startMain } from '../support/main-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'hallpass-tour-test-'))
chmodSync(folder, 0o711) // as root the server runs as nobody, who must pass
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('npm run tour', () => {
  it('plays the story to its last line, with the endings it tells of, and leaves nothing behind', {
    timeout: 90_000,
  }, async () => {
    const started = startMain({ HOME: folder, TMPDIR: folder }, [
      process.execPath,
      join(installationRoot, 'dist', 'example', 'tour.js'),
    ])
    const { status } = await started.ended
    expect(started.err()).toBe('')
    expect(status).toBe(0)
    const lines = started.out().trimEnd().split('\n')
    expect(lines.at(-1)).toBe('That was it. Start your own with: npm start')
    const told = [
      /^1\. Alice, an engineer, and Bob/,
      /"review" by policy billing-operate; who could approve: bob@example\.com, carol@example\.com$/,
      /herself: 403 self_review/,
      /^ +grant grt_\w+ is active until 20/,
      /^ +GET \/invoices\/1042 → 200 /,
      /another token\? 409 grant_ended/,
      /^ +three seconds later → 401/,
      /^ +\d+ +bob@example\.com +review-request +ok/,
    ]
    let from = 0
    for (const pattern of told) {
      const at = lines.findIndex((line, index) => index >= from && pattern.test(line))
      expect(at, `${pattern} after line ${from}`).toBeGreaterThanOrEqual(from)
      from = at
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('hallpass-tour-'))).toEqual([])
  })
})
