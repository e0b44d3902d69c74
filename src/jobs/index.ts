export { forgetJobRuns } from './forget-job-runs.ts'
export type { Job, JobOperation, JobStatus } from './job.ts'
export { createScheduler, type Scheduler } from './scheduler.ts'
export { type JobSettings, jobTable } from './table.ts'
