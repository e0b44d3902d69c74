export { applyCatalog, storeCatalogFile } from './apply-catalog.ts'
export type {
  Catalog,
  MemberReference,
  Policy,
  Resource,
  Role,
  Seat,
  Workload,
} from './catalog.ts'
export { readCatalogFile } from './catalog-file.ts'
export { catalogFileStatus } from './catalog-file-status.ts'
export { decide, isStillEligible } from './decide.ts'
export type { Ask, Decision, SubjectFacts } from './decision.ts'
export { type Explanation, explain, type OpenAsk } from './explain.ts'
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
} from './membership.ts'
export { type ParsedCatalog, parseCatalog } from './parse-catalog.ts'
export { type VisibleCatalog, visibleCatalog } from './visible-catalog.ts'
