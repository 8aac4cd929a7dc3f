/** kill -9 of a real controller while events are told: every one is heard of, in order, by streams once and by webhooks at least once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HostDouble, startHostDouble } from './support/host-double.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import { textAt, until } from './support/region.ts'
import { type Frame, readSse } from './support/sse.ts'

const KILLS = 6
const SETTING = { ATOLL_WEBHOOK_ALLOW_PRIVATE: 'true' }

describe('a controller that is killed while it tells of events', { timeout: 600_000 }, () => {
  let host: HostDouble
  let controller: ControllerProcess
  let receiver: Receiver
  before(async () => {
    host = await startHostDouble('h1')
    receiver = await startReceiver()
    controller = await startControllerProcess(host)
    await restart()
  })
  after(async () => {
    await controller?.remove()
    await host?.close()
    receiver?.close()
  })

  const restart = async (): Promise<void> => {
    await controller.kill('SIGKILL')
    await controller.start(SETTING)
  }
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(controller.url + path, {
      method,
      headers: { authorization: `Bearer ${controller.key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return response.status === 204 ? {} : await response.json()
  }

  /** One client that comes back with its last id whenever it is cut off. */
  const keepReading = (isOver: (frames: Frame[]) => boolean) => {
    const frames: Frame[] = []
    const begun = Promise.withResolvers<void>()
    let lastId = ''
    const done = (async () => {
      while (!isOver(frames)) {
        const headers = {
          authorization: `Bearer ${controller.key}`,
          ...(lastId === '' ? {} : { 'last-event-id': lastId }),
        }
        const reader = await readSse(`${controller.url}/v1/events/stream`, headers).catch(() => undefined)
        if (reader?.status !== 200) {
          await sleep(20)
          continue
        }
        const before = frames.length
        while (!reader.hasEnded && !isOver([...frames, ...reader.frames])) {
          await sleep(10)
          if (reader.lastId !== '') begun.resolve()
        }
        reader.close()
        frames.splice(before, 0, ...reader.frames.filter(({ event }) => event !== 'error'))
        lastId = reader.lastId === '' ? lastId : reader.lastId
      }
      return frames
    })()
    return { begun: begun.promise, done }
  }

  test('at random moments of many lifecycles loses none of them, and changes the order of none', async () => {
    // The first of all gives the stream a place to begin from.
    await ask('POST', '/v1/sandboxes', {})
    await ask('POST', '/v1/webhooks', { url: receiver.url, events: ['sandbox.*'], retry_count: 20 })
    let written = Number.POSITIVE_INFINITY
    const reading = keepReading((frames) => frames.length >= written)
    await reading.begun
    const [{ start } = { start: 0 }] = await controller.sql<{ start: number }>(
      'select max(position)::integer as start from event',
    )

    let made = 0
    let isOver = false
    const living = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const answer = await ask('POST', '/v1/sandboxes', {}).catch(() => undefined)
        const id = textAt(answer, 'data', 'id')
        if (!id.startsWith('sbx_')) {
          await sleep(20)
          continue
        }
        made += 1
        await ask('DELETE', `/v1/sandboxes/${id}`).catch(() => {})
      }
    })
    for (let kills = 0; kills < KILLS; kills++) {
      const enough = made + 5
      await until('lifecycles to go on', () => made >= enough)
      await sleep(Math.random() * 300)
      await restart()
    }
    isOver = true
    await Promise.all(living)

    const events = () =>
      controller.sql<{ sandbox: string; type: string; position: number | null }>(
        'select sandbox, type, position::integer from event where position is null or position > $1 order by position',
        [start],
      )
    await until('everything to have its place, and rows to rest', async () => {
      const rows = await events()
      await sleep(1_500)
      return rows.every(({ position }) => position !== null) && (await events()).length === rows.length
    })
    const rows = await events()
    written = rows.length
    const frames = await reading.done
    assert.deepEqual(
      frames.map(({ event, data }) => [data.sandbox_id, event]),
      rows.map(({ sandbox, type }) => [sandbox, type]),
      'a stream tells each event once, in the order of places',
    )

    await until(
      'every delivery',
      async () => {
        // As if the leases of the killed were over.
        await controller.sql(
          `update delivery set next_at = now() where status = 'pending' and next_at > now() + interval '11 seconds' and next_at <> 'infinity'`,
        )
        return (await controller.sql(`select from delivery where status <> 'delivered'`)).length === 0
      },
      30_000,
    )
    const told = new Set(frames.map(({ id }) => id))
    const firsts = [...new Map(receiver.received.map(({ json }) => [json.id, json])).values()].filter(({ id }) =>
      told.has(id),
    )
    assert.equal(firsts.length, rows.length)
    const inOrder = Map.groupBy(rows, ({ sandbox }) => sandbox)
    for (const [sandbox, wanted] of inOrder)
      assert.deepEqual(
        firsts.filter(({ data }) => data.sandbox_id === sandbox).map(({ type }) => type),
        wanted.map(({ type }) => type),
        'a receiver first hears of the events of a sandbox in their order',
      )
  })
})
