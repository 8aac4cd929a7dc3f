/** The stage of tests about keys: the real edge before two regions that make sandboxes. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type CreatingRegion, makeCreating } from './creating-region.ts'
import { CALIFORNIA, post, type Stage, type StageOptions, setStage } from './edge-stage.ts'

export const CREATE = '/v1/sandboxes'
export const BODY = JSON.stringify({ name: 'mine' })

export type Asked = {
  headers?: Record<string, string>
  cf?: object
  body?: string
  path?: string
  signal?: AbortSignal
}

export type CreatingStage = Stage & {
  west: CreatingRegion
  europe: CreatingRegion
  create: (key: string | null, asked?: Asked) => Promise<Response>
  /** All that lives anywhere under a key. */
  living: (key: string) => string[]
}

export async function setCreatingStage(t: TestContext, options: StageOptions = {}): Promise<CreatingStage> {
  const stage = await setStage(t, options)
  const [west, europe] = [makeCreating(stage.usw1), makeCreating(stage.eu1)]
  return {
    ...stage,
    west,
    europe,
    create: (key, { headers = {}, cf = CALIFORNIA, body = BODY, path = CREATE, ...more } = {}) =>
      stage.ask(path, {
        ...post(body, { ...(key === null ? {} : { 'idempotency-key': key }), ...headers }),
        cf,
        ...more,
      }),
    living: (key) => [west, europe].flatMap(({ living }) => living().get(key) ?? []),
  }
}

export async function idOf(answer: Response): Promise<string> {
  const text = await answer.text()
  assert.equal(answer.status, 201, text)
  return JSON.parse(text).data.id
}

/** The region that answered, and why it was not the first one. */
export const wayOf = ({ headers }: Response): [string | null, string | null] => [
  headers.get('x-region'),
  headers.get('x-failover'),
]
