import { HallpassError } from '../errors.ts'
import type { AccessRequest } from './request.ts'

/** What the audit log is told when an act on this request is refused. */
export function requestFacts({ id, subject, resource, grantId }: AccessRequest) {
  return { requestId: id, subject, resource, grantId: grantId ?? undefined }
}

/** The answer to anyone who may not know whether a request exists. */
export function requestNotFound(request?: AccessRequest): HallpassError {
  return new HallpassError(
    'not_found',
    'There is no such request that you may see.',
    request === undefined ? {} : { refusal: requestFacts(request) },
  )
}
