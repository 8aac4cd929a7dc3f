/**
 * How soon a line is at the client. The clock of an emulated machine is no measure, so time is taken here alone: the request that writes
 * to stdin is answered when the process has been given its bytes, and its echo, which is written after that, comes by the stream.
 */
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { eventsOf, NDJSON, type Said, type Stage } from './stage.ts'

export type FirstByte = {
  /** How much later than the answer the echo is here; below 0 it was here before. */
  afterAnswer: Quantiles
  /** From the request until its echo is here: in and out, and twice through the process. */
  echo: Quantiles
}

const WARM_UPS = 5

export async function measureFirstByte(stage: Stage, samples: number): Promise<FirstByte> {
  const started = (await (await stage.send('/processes', { cmd: 'cat' })).body.json()) as { data: { pid: string } }
  const path = `/processes/${started.data.pid}`
  const events = eventsOf(await stage.send(`${path}/stream`, undefined, NDJSON))
  const seen = { afterAnswer: [] as number[], echo: [] as number[] }
  for (let sample = -WARM_UPS; sample < samples; sample++) {
    const askedMs = performance.now()
    const answered = stage.send(`${path}/stdin`, { data: `line ${sample}\n` }).then(async (answer) => {
      await answer.body.text()
      return performance.now()
    })
    await nextLine(events)
    const hereMs = performance.now()
    const answeredMs = await answered
    if (sample < 0) continue
    seen.afterAnswer.push(hereMs - answeredMs)
    seen.echo.push(hereMs - askedMs)
  }
  await (await stage.send(`${path}/stdin`, { eof: true })).body.text()
  await events.return(undefined)
  return { afterAnswer: quantilesOf(seen.afterAnswer), echo: quantilesOf(seen.echo) }
}

async function nextLine(events: AsyncGenerator<Said>): Promise<Said> {
  for (;;) {
    const { done, value } = await events.next()
    if (done === true) throw new Error('The process ended.')
    if (value.type === 'stdout') return value
  }
}
