/** Where a browser may be sent inside this broker; anything that could lead elsewhere becomes `/`. */
export function localPath(returnTo: string | undefined): string {
  if (returnTo === undefined || returnTo.length > 4_000) return '/'
  // a backslash reads as a slash to browsers, and control characters are dropped by them
  if (!/^\/[\x21-\x5b\x5d-\x7e]*$/.test(returnTo) || returnTo.startsWith('//')) return '/'
  const base = 'http://local.invalid'
  if (!URL.canParse(returnTo, base)) return '/'
  const url = new URL(returnTo, base)
  const path = `${url.pathname}${url.search}`
  return url.origin === base && !path.startsWith('//') ? path : '/'
}
