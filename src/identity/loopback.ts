const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/** True for plain http to this very machine. */
export function isLoopbackUrl(url: URL): boolean {
  return url.protocol === 'http:' && loopbackNames.has(url.hostname)
}
