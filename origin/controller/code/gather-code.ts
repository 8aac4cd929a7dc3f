/** The whole of a call in one answer, for callers who do not follow it. */

import type { CodeAnswer } from '../../../shared/contracts/code.ts'
import type { CodeError, CodeResult } from '../../../shared/contracts/code-fields.ts'
import type { GuestCodeStarted } from '../../../shared/contracts/guest-code.ts'
import { AppError } from '../../../shared/errors.ts'
import { GrownBytes } from '../grown-bytes.ts'
import { endFields } from './end-fields.ts'
import type { RunningCode } from './run-code.ts'

/** What one call may hold here is bounded by what its events may be (code-events.ts). */
export async function gatherCode(running: RunningCode): Promise<CodeAnswer> {
  const [stdout, stderr] = [new GrownBytes(), new GrownBytes()]
  const results: CodeResult[] = []
  let error: CodeError | null = null
  let started: GuestCodeStarted | undefined
  for await (const batch of running)
    for (const event of batch)
      switch (event.type) {
        case 'started':
          started = event.started
          break
        case 'stdout':
          stdout.push(event.bytes)
          break
        case 'stderr':
          stderr.push(event.bytes)
          break
        case 'result':
          results.push(event.result)
          break
        case 'error':
          error = event.error
          break
        case 'end':
          return {
            stdout: stdout.takeText(),
            stderr: stderr.takeText(),
            results,
            error,
            ...endFields(started, event.end),
          }
      }
  throw new AppError('internal', 'Something went wrong on our side.', { detail: 'Code ended without an end.' })
}
