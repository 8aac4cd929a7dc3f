/** Runs code over a session, as a host passes it on, and gathers what a controller reads of it. */
import { text } from 'node:stream/consumers'
import { type CodeEvent, codeEvents } from '../../../origin/controller/code/code-events.ts'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import type { GuestCodeOrder } from '../../../shared/contracts/guest-code.ts'
import type { GuestMethod } from '../../../shared/contracts/host.ts'

const OUTPUT_BYTES_MAX = 1024 * 1024
const DEFAULTS = { language: 'python', env: {}, timeout_ms: 60_000, output_bytes_max: OUTPUT_BYTES_MAX } as const

export const codeOrder = (code: string, more: Partial<GuestCodeOrder> = {}): GuestCodeOrder => ({
  ...DEFAULTS,
  code,
  ...more,
})

type Of<Type extends CodeEvent['type']> = Extract<CodeEvent, { type: Type }>
export type Story = {
  started: Of<'started'>['started'] | undefined
  stdout: string
  stderr: string
  results: Of<'result'>['result'][]
  error: Of<'error'>['error'] | undefined
  end: Of<'end'>['end'] | undefined
}

export function begin(session: GuestSession, method: GuestMethod, path: string, body?: unknown, signal?: AbortSignal) {
  const headers = { 'content-type': 'application/json' }
  const call = { method, path, headers, hasBody: body !== undefined }
  const { stream, head } = session.call(call, signal ?? AbortSignal.timeout(120_000))
  if (body !== undefined) stream.end(JSON.stringify(body))
  return { stream, head }
}

export async function runCode(
  session: GuestSession,
  code: string,
  more: Partial<GuestCodeOrder> = {},
  watch: { signal?: AbortSignal; heard?: (event: CodeEvent) => void } = {},
): Promise<Story> {
  const { stream, head } = begin(session, 'POST', '/v1/code', codeOrder(code, more), watch.signal)
  const { status } = await head
  if (status !== 200) throw new Error(`${status}: ${await text(stream)}`)
  const story: Story = {
    started: undefined,
    stdout: '',
    stderr: '',
    results: [],
    error: undefined,
    end: undefined,
  }
  for await (const batch of codeEvents(stream, OUTPUT_BYTES_MAX))
    for (const event of batch) {
      watch.heard?.(event)
      if (event.type === 'started') story.started = event.started
      if (event.type === 'stdout' || event.type === 'stderr')
        story[event.type] += Buffer.from(event.bytes).toString('utf8')
      if (event.type === 'result') story.results.push(event.result)
      if (event.type === 'error') story.error = event.error
      if (event.type === 'end') story.end = event.end
    }
  return story
}
