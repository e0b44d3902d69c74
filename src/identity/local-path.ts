const fallback = '/sign-in'

/** Where a browser may be sent inside this broker; anything that could lead elsewhere becomes the sign-in page. */
export function localPath(returnTo: string | undefined): string {
  if (returnTo === undefined || returnTo.length > 4_000) return fallback
  // a backslash reads as a slash to browsers, and control characters are dropped by them
  if (!/^\/[\x21-\x5b\x5d-\x7e]*$/.test(returnTo) || returnTo.startsWith('//')) return fallback
  const base = 'http://local.invalid'
  if (!URL.canParse(returnTo, base)) return fallback
  const url = new URL(returnTo, base)
  const path = `${url.pathname}${url.search}`
  return url.origin === base && !path.startsWith('//') ? path : fallback
}
