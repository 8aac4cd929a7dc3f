/** Contradictory requests that come at the same time end in one defined way, and the row, the host and the callers agree on it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, at, type TestRegion, textAt, until } from '../support/region.ts'

const VERBS = ['pause', 'resume', 'exec', 'extend', 'destroy'] as const
type Verb = (typeof VERBS)[number]

const PAUSED = '409 sandbox_not_running'
const BUSY = '409 state_conflict'
const GONE = '404 sandbox_not_found'

/**
 * What the first may hear while the second races it, whichever comes first.
 * BUSY is said only where the other one is just being carried out, and says to come again.
 */
const MAY_HEAR: Record<Verb, Record<Verb, string[]>> = {
  pause: {
    pause: ['200'],
    resume: ['200', BUSY],
    exec: ['200', BUSY],
    extend: ['200'],
    destroy: ['200', BUSY, GONE],
  },
  resume: { pause: ['200'], resume: ['200'], exec: ['200'], extend: ['200'], destroy: ['200', BUSY, GONE] },
  exec: {
    pause: ['200', '409 sandbox_paused'],
    resume: ['200'],
    exec: ['200'],
    extend: ['200'],
    destroy: ['200', BUSY, GONE],
  },
  extend: {
    pause: ['200', PAUSED],
    resume: ['200', PAUSED, BUSY],
    exec: ['200', PAUSED, BUSY],
    extend: ['200', PAUSED],
    destroy: ['200', PAUSED, BUSY, GONE],
  },
  destroy: { pause: ['204'], resume: ['204'], exec: ['204'], extend: ['204'], destroy: ['204', GONE] },
}

const REQUEST: Record<Verb, { method: string; suffix: string; body?: object }> = {
  pause: { method: 'POST', suffix: '/pause', body: {} },
  resume: { method: 'POST', suffix: '/resume', body: {} },
  exec: { method: 'POST', suffix: '/exec', body: { command: 'echo 1' } },
  extend: { method: 'POST', suffix: '/extend', body: { timeout_sec: 1_000 } },
  destroy: { method: 'DELETE', suffix: '' },
}
const ROUNDS = 4
const JITTER_MS = 12

type Row = { state: string; expires_at: Date | null }

export function racePromises(regionOf: () => TestRegion): void {
  const ask = (id: string, verb: Verb): Promise<Answer> => {
    const { suffix, ...request } = REQUEST[verb]
    return regionOf().ask(`/v1/sandboxes/${id}${suffix}`, request)
  }
  const heard = ({ status, json }: Answer): string =>
    status < 400 ? String(status) : `${status} ${textAt(json, 'error', 'code')}`
  const soon = async (id: string, verb: Verb): Promise<string> => {
    await sleep(Math.random() * JITTER_MS)
    return heard(await ask(id, verb))
  }
  /** Undefined when they do not, yet. */
  const agreed = async (id: string): Promise<string | undefined> => {
    const [row] = await regionOf().sql<Row>('select state, expires_at from sandbox where id = $1', [id])
    const vm = regionOf().host.vms.get(id)
    if (row?.state === 'destroyed') return vm === undefined ? 'destroyed' : undefined
    const isSame =
      row?.state === vm?.state && (row?.state === 'paused' || row?.expires_at?.getTime() === vm?.expires_at_ms)
    return isSame ? row?.state : undefined
  }

  async function race(start: 'running' | 'paused', one: Verb, other: Verb): Promise<void> {
    const made = await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {} })
    const id = textAt(made.json, 'data', 'id')
    if (start === 'paused') await ask(id, 'pause')
    const [first, second] = await Promise.all([soon(id, one), soon(id, other)])
    const story = `from ${start}, ${one}: ${first}, ${other}: ${second}`
    assert.ok(MAY_HEAR[one][other].includes(first), story)
    assert.ok(MAY_HEAR[other][one].includes(second), story)
    await until(`the row and the host to agree, ${story}`, async () => (await agreed(id)) !== undefined)
    const isDestroyed = one === 'destroy' || other === 'destroy'
    assert.equal((await agreed(id)) === 'destroyed', isDestroyed, story)
    const after = await ask(id, 'exec')
    assert.equal(heard(after), isDestroyed ? GONE : '200', `afterwards, ${story}: ${after.text}`)
    if (one === 'destroy' && other === 'destroy') assert.deepEqual([first, second].sort(), ['204', GONE], story)
  }

  for (const start of ['running', 'paused'] as const)
    test(`every two requests that race from ${start} end as the table says`, async () => {
      const region = regionOf()
      region.host.slowMs = 4
      try {
        for (const [index, one] of VERBS.entries())
          await Promise.all(
            VERBS.slice(index).flatMap((other) => Array.from({ length: ROUNDS }, () => race(start, one, other))),
          )
      } finally {
        region.host.slowMs = 0
      }
    })

  // Who was told 200 relies on it: the end may move on, but never back.
  test('of extensions that race none is lost: the sandbox ends when the longest says, on the host too', async () => {
    const region = regionOf()
    const made = await region.ask('/v1/sandboxes', { method: 'POST', body: {} })
    const id = textAt(made.json, 'data', 'id')
    const before = Date.now()
    const times = Array.from({ length: 12 }, (_, n) => 400 + n * 50)
    const answers = await Promise.all(
      times.map((timeout_sec) => region.ask(`/v1/sandboxes/${id}/extend`, { method: 'POST', body: { timeout_sec } })),
    )
    const done = times.filter((_, n) => answers[n]?.status === 200)
    assert.ok(done.length > 0)
    const longest = before + Math.max(...done) * 1_000
    assert.ok((region.host.vms.get(id)?.expires_at_ms ?? 0) >= longest)
    for (const answer of answers.filter(({ status }) => status !== 200)) assert.equal(heard(answer), BUSY, answer.text)
    const now = await region.ask(`/v1/sandboxes/${id}`)
    assert.ok(Number(at(now.json, 'data', 'timeout_remaining_ms')) >= longest - Date.now())
  })
}
