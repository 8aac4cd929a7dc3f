/** Many streams out of one sandbox at a time, each of a command that prints without end: how much each of them gets. */
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { NDJSON, type Stage } from './stage.ts'

export type Fairness = {
  streams: number
  seconds: number
  /** KiB per second of each stream. */
  rates: Quantiles
  /** The most that one got, over the least. */
  spread: number
}

const STREAMS = 50
const SECONDS = 10
/** Shorter ones would measure how fast one processor makes JSON of lines. */
const LINE_CHARS = 1_000
const SETTLE_MS = 3_000
/** Software emulation is slow to start as many commands. */
const BEGIN_MS = 120_000

export async function measureFairness(stage: Stage): Promise<Fairness> {
  const leaving = new AbortController()
  const counts = new Array<number>(STREAMS).fill(0)
  const readers = counts.map(async (_, index) => {
    const command = `yes ${'x'.repeat(LINE_CHARS)}`
    const answer = await stage.send('/exec/stream', { command }, NDJSON, leaving.signal)
    if (answer.statusCode !== 200) throw new Error(`Stream ${index}: ${answer.statusCode} ${await answer.body.text()}`)
    for await (const chunk of answer.body) counts[index] = (counts[index] ?? 0) + chunk.length
  })
  // Only the end of all of them, which is asked for below, may fail.
  const over = Promise.all(readers).catch((thrown: unknown) => {
    if (!leaving.signal.aborted) throw thrown
  })
  await Promise.race([over, allBegun(counts)])
  await pause(SETTLE_MS)
  const before = [...counts]
  await pause(SECONDS * 1_000)
  const bytes = counts.map((count, index) => count - (before[index] ?? 0))
  leaving.abort()
  await over
  const rates = quantilesOf(bytes.map((count) => count / 1_024 / SECONDS))
  return { streams: STREAMS, seconds: SECONDS, rates, spread: rates.max / rates.min }
}

async function allBegun(counts: number[]): Promise<void> {
  for (const deadlineMs = Date.now() + BEGIN_MS; counts.includes(0); await pause(50))
    if (Date.now() > deadlineMs) throw new Error(`Some streams got nothing within ${BEGIN_MS} ms.`)
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
