/** A page or redirect as a browser sees it. */
export interface Visit {
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Where it sends the browser, absolute; undefined when it is no redirect. */
  readonly location: URL | undefined
}

/** A browser without script: keeps cookies per host (ports share them), follows redirects only when told. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()

  /** Cookies of a host, to look at, steal or plant. */
  cookies(host: string): Map<string, string> {
    const found = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, found)
    return found
  }

  get(url: string | URL, headers: Record<string, string> = {}): Promise<Visit> {
    return this.#visit(new URL(url), { headers })
  }

  post(
    url: string | URL,
    form: Record<string, string> | URLSearchParams,
    headers: Record<string, string> = {},
  ): Promise<Visit> {
    return this.#visit(new URL(url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(form).toString(),
    })
  }

  /** Follows redirects until there are none, or one leads where `isEnd` says. */
  async follow(start: Visit, isEnd: (location: URL) => boolean = () => false): Promise<Visit> {
    let visit = start
    for (let hop = 0; hop < 20; hop += 1) {
      if (visit.location === undefined || isEnd(visit.location)) return visit
      visit = await this.get(visit.location)
    }
    throw new Error('too many redirects')
  }

  async #visit(url: URL, init: RequestInit & { headers: Record<string, string> }): Promise<Visit> {
    const jar = this.cookies(url.hostname)
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: { ...init.headers, ...(cookie === '' ? {} : { Cookie: cookie }) },
    })
    for (const line of response.headers.getSetCookie()) keep(jar, line)
    const location = response.headers.get('location')
    return {
      url,
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? undefined : new URL(location, url),
    }
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';')
  const split = pair.indexOf('=')
  const name = pair.slice(0, split).trim()
  const isOver = attributes.some((attribute) => /^\s*max-age=0$/i.test(attribute))
  const isExpired = attributes.some((attribute) => /^\s*expires=.*1970/i.test(attribute))
  if (isOver || isExpired) jar.delete(name)
  else jar.set(name, pair.slice(split + 1))
}

/** The hidden fields of the page's form with this action. */
export function hiddenFields(page: Visit, action: string): Record<string, string> {
  const form = page.text.split('<form').find((part) => part.includes(`action="${action}"`))
  if (form === undefined) throw new Error(`the page has no form for ${action}: ${page.text}`)
  const fields: Record<string, string> = {}
  for (const [, name = '', value = ''] of form.matchAll(
    /<input type="hidden" name="([^"]*)" value="([^"]*)"/g,
  )) {
    fields[name] = value
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
  }
  return fields
}
