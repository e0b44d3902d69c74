export { keepPermission } from './keep-permission.ts'
export { reportUnused } from './report-unused.ts'
export {
  reportUnusedPermissions,
  type UnusedPermissionReport,
} from './report-unused-permissions.ts'
export { createUseRecorder, type UseRecorder, type UseRecorderStatus } from './use-recorder.ts'
