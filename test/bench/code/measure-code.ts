/** Hot code at a region, beside the same code as its host alone passes it to the agent: turn by turn, so that both meet the same noise. */
import { CODE_LANGUAGES, type CodeLanguage } from '../../../shared/contracts/code-fields.ts'
import type { GuestCodeOrder } from '../../../shared/contracts/guest-code.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { eventsOf, NDJSON, type Stage } from '../streams/stage.ts'

export type CodeTimes = {
  /** By the daemon's own socket. */
  host: Quantiles
  region: Quantiles
  /** The same as a stream, to its end. */
  stream: Quantiles
  /** The calls of a session, from its first. */
  firstMs: number[]
}

const CODE: Record<CodeLanguage, string> = { python: 'print(1)', javascript: 'console.log(1)', bash: 'echo 1' }
const FIRST_CALLS = 10
/** Rounds that are not counted: a daemon that has just started still has its code compiled, and a hot call is one of many. */
const WARM_UPS = 100

export async function measureCode(stage: Stage, samples: number): Promise<Record<CodeLanguage, CodeTimes>> {
  const all = []
  for (const language of CODE_LANGUAGES) all.push([language, await measureLanguage(stage, language, samples)] as const)
  return Object.fromEntries(all) as Record<CodeLanguage, CodeTimes>
}

async function measureLanguage(stage: Stage, language: CodeLanguage, samples: number): Promise<CodeTimes> {
  const wish = { code: CODE[language], language }
  const order: GuestCodeOrder = {
    ...wish,
    env: {},
    timeout_ms: LIMITS.execTimeoutSecDefault * 1_000,
    output_bytes_max: LIMITS.execOutputBytesMax,
  }
  const byRegion = async (): Promise<void> => {
    const answer = await stage.send('/code', wish)
    const { data } = (await answer.body.json()) as { data: { stdout: string } }
    if (data.stdout !== '1\n') throw new Error(`${language} said ${JSON.stringify(data)}`)
  }
  const firstMs: number[] = []
  while (firstMs.length < FIRST_CALLS) firstMs.push(await timed(byRegion))

  const times = { host: [] as number[], region: [] as number[], stream: [] as number[] }
  for (let sample = -WARM_UPS; sample < samples; sample++) {
    const took = {
      host: await timed(() => stage.daemon.stream(`/v1/vms/${stage.sandbox}/guest/code`, order)),
      region: await timed(byRegion),
      stream: await timed(async () => {
        for await (const _ of eventsOf(await stage.send('/code', wish, NDJSON)));
      }),
    }
    if (sample < 0) continue
    times.host.push(took.host)
    times.region.push(took.region)
    times.stream.push(took.stream)
  }
  return {
    host: quantilesOf(times.host),
    region: quantilesOf(times.region),
    stream: quantilesOf(times.stream),
    firstMs,
  }
}

async function timed(deed: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await deed()
  return performance.now() - beganMs
}
