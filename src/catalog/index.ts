export { type AppliedCatalog, applyCatalog, storeCatalogFile } from './apply-catalog.ts'
export type {
  Catalog,
  MemberReference,
  Policy,
  Resource,
  Role,
  Seat,
  Sensitivity,
  Workload,
} from './catalog.ts'
export { type CatalogText, readCatalogFile } from './catalog-file.ts'
export { type CatalogFileStatus, catalogFileStatus } from './catalog-file-status.ts'
export { decide, isStillEligible } from './decide.ts'
export type { Ask, Decision, PolicyTrail, SubjectFacts } from './decision.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { type Explanation, explain, type OpenAsk } from './explain.ts'
export type { CatalogFault, CatalogWarning } from './finding.ts'
export { catalogInForce } from './in-force.ts'
export {
  accountsOf,
  claimsIn,
  groupsOf,
  humanOf,
  isAdmin,
  isMember,
  isOnRequestersSide,
  isOwner,
  peopleOf,
  workloadsOf,
} from './membership.ts'
export { type ParsedCatalog, parseCatalog } from './parse-catalog.ts'
export { type VisibleCatalog, visibleCatalog } from './visible-catalog.ts'
