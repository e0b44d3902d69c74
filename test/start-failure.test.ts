import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../src/config.ts'
import { HallpassError } from '../src/errors.ts'
import { startFailure } from '../src/start-failure.ts'

describe('what is printed when the broker cannot start', () => {
  it('names every fault of the catalog, a line each', () => {
    const error = new HallpassError('invalid_input', 'The catalog a.yaml has 2 faults.', {
      errors: [
        { pointer: '/teams', message: 'line 2, column 1: Unknown key "teams".' },
        { pointer: '/rules', message: 'line 3, column 1: Unknown key "rules".' },
      ],
    })
    expect(startFailure(error)).toEqual({
      text: 'The catalog a.yaml has 2 faults.\n  line 2, column 1: Unknown key "teams".\n  line 3, column 1: Unknown key "rules".',
      exitCode: 1,
    })
  })

  it('is the message alone where there is nothing more to tell', () => {
    expect(startFailure(new Error('Port 8080 is taken.'))).toEqual({
      text: 'Port 8080 is taken.',
      exitCode: 1,
    })
    expect(startFailure('no error at all')).toEqual({
      text: 'Hallpass could not start.',
      exitCode: 1,
    })
  })

  it('tells a fault of the settings by its exit status', () => {
    const error = new ConfigurationError([{ variable: 'PORT', message: 'must be a port' }])
    expect(startFailure(error)).toEqual({ text: error.message, exitCode: 2 })
  })
})
