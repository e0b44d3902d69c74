import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { freePort, useTestBroker } from '../support/broker.ts'
import { Browser, hiddenFields, type Visit } from '../support/browser.ts'
import { openTerminal, type Terminal } from './terminal.ts'

const broker = useTestBroker()

/** Plays the person at the browser: signs in as Carol, then answers the page that names the client. */
async function visit(address: string, verdict: 'allow' | 'cancel') {
  const browser = new Browser()
  const signIn = await browser.follow(await browser.get(address))
  const chosen = await browser.post(new URL('/sign-in/development', address), {
    ...hiddenFields(signIn, '/sign-in/development'),
    subject: 'carol@example.com',
  })
  const page = await browser.follow(chosen)
  const answered = await browser.post(new URL('/oauth/authorize', address), {
    ...hiddenFields(page, '/oauth/authorize'),
    verdict,
  })
  return { page, back: await browser.follow(answered) }
}

/** A terminal whose browser is played by `play`; what became of it is awaited in `played`. */
function withBrowser<T>(play: (address: string) => Promise<T>): {
  terminal: Terminal
  played: Promise<T>
} {
  let done: ((value: Promise<T>) => void) | undefined
  const played = new Promise<T>((resolve) => {
    done = resolve
  })
  const openBrowser = (address: string) => {
    done?.(play(address))
    return true
  }
  return { terminal: openTerminal({ HALLPASS_URL: broker.url }, { openBrowser }), played }
}

const redirectOf = (address: string) =>
  new URL(new URL(address).searchParams.get('redirect_uri') ?? '')

/** Says something to the listening command line; gives the status. */
function knock(address: URL, method = 'GET'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest(address, { method }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

describe('login through the browser', () => {
  it('takes the session of the person who signed in there', async () => {
    const { terminal, played } = withBrowser((address) => visit(address, 'allow'))
    const ran = await terminal.done('login')
    expect(ran.out).toBe(`Signed in to ${broker.url} as carol@example.com.`)
    expect(ran.err).toMatch(/^Continue in your browser: http:\/\/localhost:\d+\/oauth\/authorize\?/)
    const { page, back } = await played
    expect(page.text).toContain('hallpass-cli')
    expect(page.text).toContain('carol@example.com')
    expect(back.text).toBe('Signed in. You can close this page.\n')
    expect((await terminal.done('whoami')).out).toMatch(/^carol@example\.com/)
  })

  it('prints the address where there is no browser to open', async () => {
    let visited: Promise<{ back: Visit }> | undefined
    const errors: string[] = []
    const terminal = openTerminal(
      { HALLPASS_URL: broker.url },
      {
        openBrowser: () => false,
        complain: (line) => {
          errors.push(line)
          const address = /^Open this page: (\S+)$/.exec(line)?.[1]
          if (address !== undefined) visited = visit(address, 'allow')
        },
      },
    )
    await terminal.done('login')
    expect((await visited)?.back.status).toBe(200)
    expect(errors).toHaveLength(1)
  })

  it('ends with 1 when the person cancels, and stores nothing', async () => {
    const { terminal, played } = withBrowser((address) => visit(address, 'cancel'))
    const ran = await terminal.run('login')
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/access_denied: The sign-in failed: The person did not allow it\.$/)
    expect((await played).back.text).toBe('Nothing was signed in. You can close this page.\n')
    expect((await terminal.run('whoami')).status).toBe(4)
  })

  it('takes no code that comes with another state, by another path or method', async () => {
    const statuses: Array<number | undefined> = []
    const { terminal, played } = withBrowser(async (address) => {
      const redirect = redirectOf(address)
      const state = new URL(address).searchParams.get('state') ?? ''
      for (const query of ['', '?code=forged', '?code=forged&state=', '?code=forged&state=x']) {
        statuses.push(await knock(new URL(query, redirect)))
      }
      const own = `?code=forged&state=${state}`
      statuses.push(await knock(new URL(`/other${own}`, redirect)))
      statuses.push(await knock(new URL(own, redirect), 'POST'))
      return visit(address, 'allow')
    })
    await terminal.done('login')
    await played
    expect(statuses).toEqual([404, 404, 404, 404, 404, 404])
  })

  it('refuses a code that the broker did not give', async () => {
    const { terminal, played } = withBrowser((address) => {
      const redirect = redirectOf(address)
      const state = new URL(address).searchParams.get('state') ?? ''
      redirect.search = new URLSearchParams({ code: 'forged', state }).toString()
      return knock(redirect)
    })
    const ran = await terminal.run('login')
    expect(await played).toBe(200)
    expect(ran.status).toBe(1)
    expect(ran.err).toMatch(/invalid_grant: /)
  })

  it('opens no page when the broker is away', async () => {
    const opened: string[] = []
    const terminal = openTerminal(
      { HALLPASS_URL: `http://127.0.0.1:${await freePort()}` },
      { openBrowser: (address) => opened.push(address) > 0 },
    )
    expect((await terminal.run('login')).status).toBe(5)
    expect(opened).toEqual([])
  })
})
