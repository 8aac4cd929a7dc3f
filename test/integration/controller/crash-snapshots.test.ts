/** kill -9 of a real controller in the middle of snapshots, forks, restores, merges and freezes, before their host has done anything and after. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { auditRegion } from './support/audit-region.ts'
import { type HostDouble, startHostDouble } from './support/host-double.ts'
import type { Verb } from './support/host-double-snapshots.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { at, textAt, until } from './support/region.ts'

const POINTS = ['hang_before', 'hang_after'] as const
type Point = (typeof POINTS)[number]
type Sent = { subject: string; path: string; body: object; key: string }
type Heard = { status: number; json: unknown }
/** By kind and point. */
type Deeds = Record<'take' | 'fork' | 'restore' | 'merge' | 'freeze', Record<Point, Sent>>

/** The reconciler leaves what a controller worked on alone for a while, and a create waits for it. */
const SETTLE_MS = 40_000

describe('a controller that is killed while machines are copied', { timeout: 600_000 }, () => {
  let host: HostDouble
  let controller: ControllerProcess
  let sent: Deeds
  const never = Promise.withResolvers<void>()
  before(async () => {
    host = await startHostDouble('h1')
    controller = await startControllerProcess(host)
    sent = await sendAll()
    await controller.kill('SIGKILL')
    await controller.start()
  })
  after(async () => {
    never.resolve()
    await controller?.remove()
    await host?.close()
  })

  const ask = async (path: string, body: object | undefined, key?: string, method = 'POST'): Promise<Heard> => {
    const response = await fetch(controller.url + path, {
      method,
      headers: {
        authorization: `Bearer ${controller.key}`,
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, json: text === '' ? {} : JSON.parse(text) }
  }
  const made = async (path: string, body: object = {}, method = 'POST'): Promise<string> => {
    const { status, json } = await ask(path, body, undefined, method)
    assert.ok(status < 300, `${path}: ${JSON.stringify(json)}`)
    return textAt(json, 'data', 'id')
  }
  const exec = async (id: string, command: string): Promise<string> =>
    textAt((await ask(`/v1/sandboxes/${id}/exec`, { command })).json, 'data', 'stdout')
  const sandboxThat = async (word: string): Promise<string> => {
    const id = await made('/v1/sandboxes', { size: 'xs' })
    await exec(id, `remember ${word}`)
    return id
  }

  /** Sends a request and lets its host hang; answers when the host has heard of it, and has done it if that is where it hangs. */
  async function sendTo(point: Point, verb: Verb, named: string, request: Omit<Sent, 'key'>): Promise<Sent> {
    const key = randomUUID()
    host.upsets[verb].push({ kind: point, until: never.promise })
    void ask(request.path, request.body, key).catch(() => 'cut')
    await until(`${verb} ${named}`, () => host.asked.includes(`${verb} ${named}`))
    await sleep(20)
    return { ...request, key }
  }

  const atBoth = async (send: (point: Point) => Promise<Sent>): Promise<Record<Point, Sent>> => ({
    hang_before: await send('hang_before'),
    hang_after: await send('hang_after'),
  })

  async function sendAll(): Promise<Deeds> {
    return {
      take: await atBoth(async (point) => {
        const subject = await sandboxThat(`take-${point}`)
        return sendTo(point, 'snapshots', subject, { subject, path: `/v1/sandboxes/${subject}/snapshots`, body: {} })
      }),
      fork: await atBoth(async (point) => {
        const subject = await sandboxThat(`fork-${point}`)
        return sendTo(point, 'fork', subject, { subject, path: `/v1/sandboxes/${subject}/fork`, body: { count: 2 } })
      }),
      restore: await atBoth(async (point) => {
        const subject = await sandboxThat(`restore-${point}`)
        const snapshot = await made(`/v1/sandboxes/${subject}/snapshots`)
        await exec(subject, 'remember since')
        const path = `/v1/sandboxes/${subject}/restore/${snapshot}`
        return sendTo(point, 'restore', subject, { subject, path, body: {} })
      }),
      merge: await atBoth(async (point) => {
        const subject = await sandboxThat(`merge-${point}`)
        const winner = await made(`/v1/sandboxes/${subject}/fork`)
        await exec(winner, 'remember won')
        return sendTo(point, 'merge', subject, { subject, path: `/v1/sandboxes/${subject}/merge`, body: { winner } })
      }),
      freeze: await atBoth(async (point) => {
        const name = `s-${randomUUID()}`
        await made(`/v1/spaces/${name}`, {}, 'PUT')
        const inside = await made(`/v1/spaces/${name}/open`)
        await exec(inside, `remember freeze-${point}`)
        return sendTo(point, 'snapshots', inside, { subject: name, path: `/v1/spaces/${name}/freeze`, body: {} })
      }),
    }
  }

  /** The same request again, for as long as it is told to wait. */
  async function again({ path, body, key }: Sent): Promise<Heard> {
    for (const end = Date.now() + SETTLE_MS; ; await sleep(250)) {
      const heard = await ask(path, body, key)
      if (heard.status !== 409 || Date.now() > end) return heard
    }
  }
  const remembering = (word: string) => [...host.memories].filter(([id, [first]]) => host.vms.has(id) && first === word)

  test('takes one snapshot for one key, and its sandbox runs on', async () => {
    for (const point of POINTS) {
      const { subject } = sent.take[point]
      const heard = await again(sent.take[point])
      assert.equal(heard.status, 201, JSON.stringify(heard.json))
      const listed = await ask(`/v1/sandboxes/${subject}/snapshots`, undefined, undefined, 'GET')
      assert.deepEqual(
        (at(listed.json, 'data') as unknown[]).map((row) => textAt(row, 'id')),
        [textAt(heard.json, 'data', 'id')],
      )
      assert.equal(await exec(subject, 'recall'), `take-${point}`)
      await until('the host to keep one', () => {
        const kept = [...host.snapshots.values()].filter(({ sandbox }) => sandbox === subject)
        return kept.length === 1
      })
    }
  })

  test('makes one set of children for one key, and pays for no other', async () => {
    for (const point of POINTS) {
      const heard = await again(sent.fork[point])
      assert.equal(heard.status, 201, JSON.stringify(heard.json))
      const children = at(heard.json, 'data') as unknown[]
      assert.deepEqual(
        children.map((child) => at(child, 'state')),
        ['running', 'running'],
      )
      for (const child of children) assert.equal(await exec(textAt(child, 'id'), 'recall'), `fork-${point}`)
      await until('no other machine to be there', () => remembering(`fork-${point}`).length === 3, SETTLE_MS)
    }
  })

  test('never restores a second time for a key, and says what it knows of it; the sandbox runs', async () => {
    for (const point of POINTS) {
      const { subject, path } = sent.restore[point]
      const heard = await again(sent.restore[point])
      assert.deepEqual([heard.status, textAt(heard.json, 'error', 'code')], [504, 'outcome_unknown'], point)
      const first = `restore-${point}`
      assert.equal(await exec(subject, 'recall'), point === 'hang_after' ? first : `${first} since`)
      assert.equal((await ask(path, {})).status, 200)
      assert.equal(await exec(subject, 'recall'), first)
    }
  })

  test('finishes a merge, whoever comes first: the reconciler, or the same request again', async () => {
    for (const point of POINTS) {
      const { subject, body } = sent.merge[point]
      const heard = await again(sent.merge[point])
      assert.equal(heard.status, 200, JSON.stringify(heard.json))
      assert.equal(await exec(subject, 'recall'), `merge-${point} won`)
      const winner = await ask(`/v1/sandboxes/${textAt(body, 'winner')}`, undefined, undefined, 'GET')
      assert.equal(winner.status, 404)
    }
  })

  test('leaves a space open, with what was done in it, until it is frozen', async () => {
    for (const point of POINTS) {
      const { subject, path } = sent.freeze[point]
      const heard = await again({ ...sent.freeze[point], key: randomUUID() })
      assert.equal(heard.status, 200, `${path}: ${JSON.stringify(heard.json)}`)
      assert.equal(await exec(await made(`/v1/spaces/${subject}/open`), 'recall'), `freeze-${point}`)
    }
  })

  test('leaves no machine and no snapshot without a row, and every count as it should be', async () => {
    await until(
      'the host and the rows to agree',
      async () => {
        const machines = await controller.sql<{ id: string }>('select id from sandbox where released_at is null')
        const kept = await controller.sql<{ id: string }>('select id from snapshot')
        return (
          machines.length === host.vms.size &&
          machines.every(({ id }) => host.vms.has(id)) &&
          kept.length === host.snapshots.size &&
          kept.every(({ id }) => host.snapshots.has(id))
        )
      },
      SETTLE_MS,
    )
    assert.deepEqual(await auditRegion((text, values) => controller.sql(text, values)), [])
  })
})
