/**
 * A call of code in the form of Podflare: NDJSON, a line of output at a time, and `exit` once and last.
 *
 * Python is one session for each sandbox, bash a process for each call; whatever it is, one call of a sandbox runs at a time. What
 * fails in the middle is told on stderr, because the answer has begun. A caller who leaves interrupts the code.
 */
import { StringDecoder } from 'node:string_decoder'
import type { PODFLARE_ROUTES } from '../../../../shared/contracts/podflare.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { RunningCode } from '../../code/run-code.ts'
import { streamCode } from '../../code/stream-code.ts'
import { toCallersError } from '../../http/answer-error.ts'
import { pulledStream } from '../../http/pulled-stream.ts'
import type { Call, Outcome } from '../../http/serve-route.ts'

export async function podflareExec(call: Call<(typeof PODFLARE_ROUTES)['exec']>): Promise<Outcome> {
  const { controller, body } = call
  const timeout = LIMITS.podflareExecTimeoutSec
  const code = { ...body, isPassing: body.language === 'bash', isSerial: true, timeout }
  const stream = await streamCode(call, code, {
    events: (running) => podflareLines(running, controller.clock),
    // Its clients expect a line of output in every line, so a silence is not broken.
    form: (source) => pulledStream(source, SILENT, timeout * 2_000),
  })
  return { stream, headers: { 'x-podflare-region': controller.region.name } }
}

const SILENT = { heartbeat: () => '', failure: () => '' }
const EXIT_BROKEN = 1

export async function* podflareLines(running: RunningCode, clock: () => number): AsyncGenerator<string> {
  const tell = createTeller(clock)
  const lines = { stdout: createLines(), stderr: createLines() }
  const rest = (): string => tell('stdout', lines.stdout.end()) + tell('stderr', lines.stderr.end())
  try {
    for await (const batch of running)
      for (const event of batch) {
        if (event.type === 'stdout' || event.type === 'stderr')
          yield tell(event.type, lines[event.type].take(event.bytes))
        if (event.type === 'error') yield rest() + tell('stderr', event.error.traceback)
        if (event.type === 'end') yield rest() + tell('exit', [event.end.exit_code])
      }
  } catch (thrown) {
    yield rest() + tell('stderr', [toCallersError(thrown).message]) + tell('exit', [EXIT_BROKEN])
  }
}

function createTeller(clock: () => number) {
  let seq = 0
  return (type: 'stdout' | 'stderr' | 'exit', all: readonly (string | number)[]): string =>
    all.map((data) => `${JSON.stringify({ type, data, seq: seq++, ts: Math.floor(clock()) })}\n`).join('')
}

/** Lines without their newlines. A line that never ends is told in parts of LIMITS.codeLineCharsMax. */
function createLines() {
  const decoder = new StringDecoder('utf8')
  let begun = ''
  const cut = (text: string): string[] => {
    const lines = (begun + text).split('\n')
    begun = lines.pop() ?? ''
    if (begun.length <= LIMITS.codeLineCharsMax) return lines
    const whole = begun
    begun = ''
    return [...lines, whole]
  }
  return {
    take: (bytes: Uint8Array): string[] => cut(decoder.write(Buffer.from(bytes))),
    end: (): string[] => {
      const lines = cut(decoder.end())
      const last = begun
      begun = ''
      return last === '' ? lines : [...lines, last]
    },
  }
}
