import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorCode, HallpassError, OAuthErrorCode } from '../errors.ts'
import { type Json, toJson } from './render.ts'

const problems: Record<ErrorCode, { status: ContentfulStatusCode; title: string }> = {
  unauthenticated: { status: 401, title: 'Sign in first' },
  not_eligible: { status: 403, title: 'No policy lets this subject have that' },
  self_review: { status: 403, title: 'Nobody reviews their own request' },
  not_reviewer: { status: 403, title: 'Not a reviewer of this request' },
  not_holder: { status: 403, title: 'Only the holder may do this' },
  not_permitted: { status: 403, title: 'Not permitted' },
  browser_required: { status: 403, title: 'This review is given in the browser' },
  gateway_not_allowed: { status: 403, title: 'Only a known gateway may ask this' },
  not_found: { status: 404, title: 'Not found' },
  stale_version: { status: 409, title: 'It changed in the meantime' },
  already_pending: { status: 409, title: 'A request for this role is waiting already' },
  no_reviewer: { status: 409, title: 'Nobody could approve this' },
  already_reviewed: { status: 409, title: 'Reviewed already' },
  seat_filled: { status: 409, title: 'No open seat' },
  request_closed: { status: 409, title: 'The request is closed' },
  grant_not_active: { status: 409, title: 'The grant is not active' },
  grant_ended: { status: 409, title: 'The grant has ended' },
  recently_revoked: { status: 409, title: 'Revoked a moment ago' },
  break_glass_unreviewed: { status: 409, title: 'An emergency access waits for its review' },
  idempotency_in_progress: { status: 409, title: 'The first call is still running' },
  secret_already_shown: { status: 409, title: 'The secret was shown once' },
  too_large: { status: 413, title: 'Too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  invalid_input: { status: 422, title: 'Invalid input' },
  outside_policy: { status: 422, title: 'Outside what the policy allows' },
  wider_than_asked: { status: 422, title: 'Wider than asked' },
  invalid_cursor: { status: 422, title: 'Invalid cursor' },
  idempotency_key_reused: { status: 422, title: 'Idempotency-Key used for another body' },
  rate_limited: { status: 429, title: 'Too many calls' },
  cannot_decide: { status: 503, title: 'Cannot decide now' },
}

const oauthStatuses: Record<OAuthErrorCode, ContentfulStatusCode> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  unsupported_response_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  access_denied: 400,
  server_error: 500,
  temporarily_unavailable: 503,
  authorization_pending: 400,
  slow_down: 400,
  expired_token: 400,
}

/** The status of an OAuth error answer (RFC 6749 §5.2). */
export function oauthStatusOf(code: OAuthErrorCode): ContentfulStatusCode {
  return oauthStatuses[code]
}

/** The status that a code is answered with over HTTP. */
export function statusOf(code: ErrorCode): ContentfulStatusCode {
  return problems[code].status
}

/** An RFC 9457 problem document. */
export function problemOf(error: HallpassError): { [key: string]: Json } {
  const { status, title } = problems[error.code]
  const { errors, reasons, extensions, retryAfterSeconds } = error.options
  return {
    type: `urn:hallpass:problem:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    ...(errors === undefined ? {} : { errors: toJson(errors) }),
    ...(reasons === undefined ? {} : { reasons: toJson(reasons) }),
    ...(retryAfterSeconds === undefined ? {} : { retry_after_seconds: retryAfterSeconds }),
    ...(extensions === undefined ? {} : (toJson(extensions) as { [key: string]: Json })),
  }
}
