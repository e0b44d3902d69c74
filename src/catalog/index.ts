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
export type { Ask, Decision, PolicyTrail, SubjectFacts } from './decision.ts'
