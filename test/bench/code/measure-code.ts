/**
 * Hot code at a region, beside the same code as its host alone passes it to the agent: turn by turn, so that both meet the same noise; after
 * all languages were warmed up, so that none meets a region that has only just begun; and one language after the other, because the
 * first call after one of another language finds an interpreter that the processor has forgotten.
 */
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
  const sessions = CODE_LANGUAGES.map((language) => new Session(stage, language))
  for (const session of sessions) {
    await session.begin()
    for (let round = 0; round < WARM_UPS; round++) await session.call(false)
  }
  for (const session of sessions) for (let sample = 0; sample < samples; sample++) await session.call(true)
  const all = sessions.map((session) => [session.language, session.times()] as const)
  return Object.fromEntries(all) as Record<CodeLanguage, CodeTimes>
}

class Session {
  readonly language: CodeLanguage
  readonly #stage: Stage
  readonly #firstMs: number[] = []
  readonly #times = { host: [] as number[], region: [] as number[], stream: [] as number[] }

  constructor(stage: Stage, language: CodeLanguage) {
    this.#stage = stage
    this.language = language
  }

  async begin(): Promise<void> {
    while (this.#firstMs.length < FIRST_CALLS) this.#firstMs.push(await timed(() => this.#byRegion()))
  }

  async call(counts: boolean): Promise<void> {
    const host = await timed(() => this.#byHost())
    const region = await timed(() => this.#byRegion())
    const stream = await timed(() => this.#asStream())
    if (!counts) return
    this.#times.host.push(host)
    this.#times.region.push(region)
    this.#times.stream.push(stream)
  }

  times(): CodeTimes {
    const { host, region, stream } = this.#times
    return { host: quantilesOf(host), region: quantilesOf(region), stream: quantilesOf(stream), firstMs: this.#firstMs }
  }

  get #wish(): { code: string; language: CodeLanguage } {
    return { code: CODE[this.language], language: this.language }
  }

  #byHost(): Promise<unknown> {
    const order: GuestCodeOrder = {
      ...this.#wish,
      env: {},
      timeout_ms: LIMITS.execTimeoutSecDefault * 1_000,
      output_bytes_max: LIMITS.execOutputBytesMax,
    }
    return this.#stage.daemon.stream(`/v1/vms/${this.#stage.sandbox}/guest/code`, order)
  }

  async #byRegion(): Promise<void> {
    const answer = await this.#stage.send('/code', this.#wish)
    const { data } = (await answer.body.json()) as { data: { stdout: string } }
    if (data.stdout !== '1\n') throw new Error(`${this.language} said ${JSON.stringify(data)}`)
  }

  async #asStream(): Promise<void> {
    for await (const _ of eventsOf(await this.#stage.send('/code', this.#wish, NDJSON)));
  }
}

async function timed(deed: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await deed()
  return performance.now() - beganMs
}
