/**
 * How long after the agent has read it a line is at the client. The two clocks differ by an unknown amount, but a line cannot have been
 * written before it was asked for: of all samples the one that says most bounds the difference, so what is reported is the most that it
 * can have taken.
 */
import { type Quantiles, quantilesOf } from '../quantiles.ts'
import { eventsOf, NDJSON, type Said, type Stage } from './stage.ts'

export type FirstByte = {
  /** From the write in the guest to the client, at most. */
  atMost: Quantiles
  /** From the request that writes to stdin until its echo is here. */
  echo: Quantiles
}

const WARM_UPS = 5

export async function measureFirstByte(stage: Stage, samples: number): Promise<FirstByte> {
  const started = (await (await stage.send('/processes', { cmd: 'cat' })).json()) as { data: { pid: string } }
  const path = `/processes/${started.data.pid}`
  const events = eventsOf(await stage.send(`${path}/stream`, undefined, NDJSON))
  const seen: { askedMs: number; writtenMs: number; hereMs: number }[] = []
  for (let sample = -WARM_UPS; sample < samples; sample++) {
    const askedMs = Date.now()
    const sending = stage.send(`${path}/stdin`, { data: `line ${sample}\n` })
    const { ts } = await nextLine(events)
    const hereMs = Date.now()
    await (await sending).text()
    if (sample >= 0) seen.push({ askedMs, writtenMs: Date.parse(ts), hereMs })
  }
  await (await stage.send(`${path}/stdin`, { eof: true })).text()
  await events.return(undefined)
  const aheadMs = Math.min(...seen.map(({ askedMs, writtenMs }) => writtenMs - askedMs))
  return {
    atMost: quantilesOf(seen.map(({ writtenMs, hereMs }) => hereMs - writtenMs + aheadMs)),
    echo: quantilesOf(seen.map(({ askedMs, hereMs }) => hereMs - askedMs)),
  }
}

async function nextLine(events: AsyncGenerator<Said>): Promise<Said> {
  for (;;) {
    const { done, value } = await events.next()
    if (done === true) throw new Error('The process ended.')
    if (value.type === 'stdout') return value
  }
}
