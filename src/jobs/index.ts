export { forgetJobRuns } from './forget-job-runs.ts'
export type { Job, JobStatus } from './job.ts'
export { createScheduler, type Scheduler } from './scheduler.ts'
export { jobTable } from './table.ts'
