import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { freePort, useTestBroker } from '../support/broker.ts'
import { call } from '../support/client.ts'
import { openTerminal, type Terminal } from './terminal.ts'

const broker = useTestBroker()
let terminal: Terminal

const open = (extra: Readonly<Record<string, string>> = {}) =>
  openTerminal({ HALLPASS_URL: broker.url, ...extra })
const fileOf = ({ stateFolder }: Terminal) => join(stateFolder, 'hallpass', 'session.json')
const storedToken = (from: Terminal): string =>
  JSON.parse(readFileSync(fileOf(from), 'utf8')).sessions[broker.url].access_token
const me = (token: string) =>
  call(`${broker.url}/v1/me`, { headers: { Authorization: `Bearer ${token}` } })

/** Something else than a broker, for one test. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

beforeAll(() => {
  terminal = open()
})

describe('login', () => {
  it('signs in as somebody in development and says as whom', async () => {
    const ran = await terminal.done('login', '--as', 'Alice@example.com')
    expect(ran.out).toBe(`Signed in to ${broker.url} as alice@example.com.`)
    expect((await terminal.done('whoami')).out).toMatch(
      /^alice@example\.com\ngroups: engineering, everyone\nsession ends at \d{4}-/,
    )
  })

  it('keeps the session in a file that only its owner may read, in a folder that only its owner may enter', async () => {
    const fresh = open()
    await fresh.done('login', '--as', 'bob@example.com')
    expect(statSync(fileOf(fresh)).mode & 0o777).toBe(0o600)
    expect(statSync(join(fresh.stateFolder, 'hallpass')).mode & 0o777).toBe(0o700)
    expect((await me(storedToken(fresh))).body.subject).toBe('bob@example.com')
  })

  it('narrows the mode of a file that was open to others', async () => {
    const fresh = open()
    mkdirSync(join(fresh.stateFolder, 'hallpass'))
    writeFileSync(fileOf(fresh), '{}', { mode: 0o644 })
    await fresh.done('login', '--as', 'bob@example.com')
    expect(statSync(fileOf(fresh)).mode & 0o777).toBe(0o600)
  })

  it('answers with who one is, as JSON', async () => {
    const { json } = await open().done('--json', 'login', '--as', 'sam@example.com')
    expect(json).toMatchObject({ subject: 'sam@example.com', is_admin: true, kind: 'person' })
  })

  it('stores nothing when the broker refuses', async () => {
    const fresh = open()
    const ran = await fresh.run('login', '--as', 'no address')
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/^invalid_input: /)
    expect((await fresh.run('whoami')).status).toBe(4)
  })

  it('says that the environment wins over what it stored', async () => {
    const { token } = { token: storedToken(terminal) }
    const fresh = open({ HALLPASS_SESSION: token })
    const ran = await fresh.done('login', '--as', 'bob@example.com')
    expect(ran.out).toContain('as bob@example.com')
    expect(ran.err).toMatch(/HALLPASS_SESSION is set and wins/)
    expect((await fresh.done('whoami')).out).toMatch(/^alice@example\.com\n/)
  })
})

describe('the session', () => {
  it('is one for every broker', async () => {
    const fresh = open()
    await fresh.done('login', '--as', 'alice@example.com')
    const other = broker.url.replace('localhost', '127.0.0.1')
    await fresh.done('--url', other, 'login', '--as', 'bob@example.com')
    expect((await fresh.done('whoami')).out).toMatch(/^alice/)
    expect((await fresh.done('--url', `${other}/`, 'whoami')).out).toMatch(/^bob/)
    await fresh.done('logout')
    expect((await fresh.done('--url', other, 'whoami')).out).toMatch(/^bob/)
  })

  it('may come from the environment alone', async () => {
    const given = open({ HALLPASS_SESSION: ` ${storedToken(terminal)}\n` })
    expect((await given.done('whoami')).out).toMatch(/^alice@example\.com/)
  })

  it.each(['', '{', '[]', '{"sessions": null}', '{"sessions": {"x": 1}}'])(
    'counts as none when its file holds %j',
    async (content) => {
      const fresh = open()
      mkdirSync(join(fresh.stateFolder, 'hallpass'))
      writeFileSync(fileOf(fresh), content)
      const ran = await fresh.run('whoami')
      expect(ran.status).toBe(4)
      expect(ran.err).toBe(
        `unauthenticated: You are not signed in to ${broker.url}. Run: hallpass login`,
      )
    },
  )

  it('has ended with status 4 and what to do', async () => {
    const ran = await open({ HALLPASS_SESSION: `hps_${'a'.repeat(43)}` }).run('grants')
    expect(ran.status).toBe(4)
    expect(ran.out).toBe('')
    expect(ran.err).toMatch(/^unauthenticated: This session is not known or has ended/)
    expect(ran.err).toMatch(/Run: hallpass login$/)
  })

  it('is refused here already when it could be no token', async () => {
    const ran = await open({ HALLPASS_SESSION: 'hps_é' }).run('whoami')
    expect(ran.status).toBe(4)
    expect(ran.err).toBe('unauthenticated: HALLPASS_SESSION is no session token (hps_…).')
  })
})

describe('logout', () => {
  it('ends the session at the broker and forgets it here', async () => {
    const fresh = open()
    await fresh.done('login', '--as', 'alice@example.com')
    const token = storedToken(fresh)
    expect((await fresh.done('logout')).out).toBe(`Signed out of ${broker.url}.`)
    expect((await me(token)).status).toBe(401)
    expect(() => statSync(fileOf(fresh))).toThrow(/ENOENT/)
    expect((await fresh.run('whoami')).status).toBe(4)
  })

  it('is done for somebody who is signed out already', async () => {
    const fresh = open()
    expect((await fresh.done('--json', 'logout')).json).toEqual({ signed_out: true })
    await fresh.done('login', '--as', 'alice@example.com')
    await call(`${broker.url}/v1/sign-out`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${storedToken(fresh)}`,
        'Content-Type': 'application/json',
      },
      body: '{}',
    })
    await fresh.done('logout')
  })

  it('forgets the session here even when the broker is away, and says so', async () => {
    const gone = `http://127.0.0.1:${await freePort()}`
    const fresh = open({ HALLPASS_URL: gone })
    mkdirSync(join(fresh.stateFolder, 'hallpass'))
    const sessions = { [gone]: { access_token: 'hps_gone', subject: 'alice@example.com' } }
    writeFileSync(fileOf(fresh), JSON.stringify({ sessions }))
    expect((await fresh.run('logout')).status).toBe(5)
    expect((await fresh.run('whoami')).status).toBe(4)
  })
})

describe('a broker that is not there', () => {
  const to = (url: string) => openTerminal({ HALLPASS_URL: url, HALLPASS_SESSION: 'hps_x' })

  it('ends with 5 when nothing listens', async () => {
    const ran = await to(`http://127.0.0.1:${await freePort()}`).run('whoami')
    expect(ran.status).toBe(5)
    expect(ran.err).toMatch(/cannot be reached \(ECONNREFUSED\)\. Is it running\?/)
  })

  it('ends with 5 for a name without an address', async () => {
    const ran = await to('http://nowhere.invalid').run('whoami')
    expect(ran.status).toBe(5)
    expect(ran.err).toMatch(/cannot be reached/)
  })

  it('ends with 5 when something else answers, well or badly', async () => {
    for (const status of [200, 404, 502]) {
      const url = await serve((_, response) => {
        response.writeHead(status).end('<html>hello</html>')
      })
      const ran = await to(url).run('whoami')
      expect(ran.status).toBe(5)
      expect(ran.err).toMatch(/is not Hallpass\. Check --url or HALLPASS_URL/)
    }
  })

  it('ends with 5 for a 503, and says when to try again', async () => {
    const url = await serve((_, response) => {
      response
        .writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '2' })
        .end(JSON.stringify({ code: 'cannot_decide', detail: 'The database is away.' }))
    })
    const ran = await to(url).run('whoami')
    expect(ran.status).toBe(5)
    expect(ran.err).toBe('cannot_decide: The database is away.\nTry again in 2 s.')
  })

  it('never carries the session along where it is sent on to', async () => {
    const seen: string[] = []
    const thief = await serve((request, response) => {
      seen.push(String(request.headers.authorization))
      response.end('{}')
    })
    const url = await serve((_, response) => {
      response.writeHead(307, { Location: `${thief}/v1/me` }).end()
    })
    const ran = await to(url).run('whoami')
    expect(ran.status).toBe(5)
    expect(ran.err).toContain(`sends on to ${thief}/v1/me`)
    expect(seen).toEqual([])
  })

  it.each(['nonsense', 'ftp://localhost', 'http://localhost:8080/?x=1'])(
    'is wrong usage when the address is %s',
    async (url) => {
      const ran = await to(url).run('whoami')
      expect(ran.status).toBe(2)
      expect(ran.err).toContain(`"${url}" is no address of a broker`)
    },
  )
})
