export { createUseRecorder, type UseRecorder, type UseRecorderStatus } from './use-recorder.ts'
