/** What tests of snapshots ask of sandboxes: to remember a word, and to say all that they remember. */
import assert from 'node:assert/strict'
import { type Answer, type Ask, at, type TestRegion, textAt } from './region.ts'

export type Memories = ReturnType<typeof memoriesIn>

export function memoriesIn(regionOf: () => TestRegion) {
  const post = (path: string, body: object = {}, more: Ask = {}): Promise<Answer> =>
    regionOf().ask(path, { method: 'POST', body, ...more })
  const made = (answer: Answer, status = 201): string => {
    assert.equal(answer.status, status, answer.text)
    return textAt(answer.json, 'data', 'id')
  }
  const exec = async (id: string, command: string, more: Ask = {}): Promise<string> => {
    const answer = await post(`/v1/sandboxes/${id}/exec`, { command }, more)
    assert.equal(answer.status, 200, answer.text)
    return textAt(answer.json, 'data', 'stdout')
  }
  return {
    post,
    made,
    create: async (body: object = {}, more: Ask = {}): Promise<string> => made(await post('/v1/sandboxes', body, more)),
    remember: (id: string, word: string, more: Ask = {}) => exec(id, `remember ${word}`, more),
    recall: (id: string, more: Ask = {}) => exec(id, 'recall', more),
    keep: async (id: string, body: object = {}, more: Ask = {}): Promise<string> =>
      made(await post(`/v1/sandboxes/${id}/snapshots`, body, more)),
    /** The ids of the children. */
    fork: async (id: string, count: number, more: Ask = {}): Promise<string[]> => {
      const answer = await post(`/v1/sandboxes/${id}/fork`, { count }, more)
      assert.equal(answer.status, 201, answer.text)
      return (at(answer.json, 'data') as unknown[]).map((child) => textAt(child, 'id'))
    },
    remove: (path: string, more: Ask = {}) => regionOf().ask(path, { method: 'DELETE', ...more }),
    listed: async (path: string, more: Ask = {}): Promise<string[]> => {
      const answer = await regionOf().ask(path, more)
      assert.equal(answer.status, 200, answer.text)
      return (at(answer.json, 'data') as unknown[]).map((row) => textAt(row, 'id'))
    },
    stateOf: async (id: string): Promise<string | undefined> =>
      (await regionOf().sql<{ state: string }>('select state from sandbox where id = $1', [id]))[0]?.state,
    snapshotState: async (id: string): Promise<string | undefined> =>
      (await regionOf().sql<{ state: string }>('select state from snapshot where id = $1', [id]))[0]?.state,
    usedSlots: async (tenant: string): Promise<number | undefined> =>
      (await regionOf().sql<{ used: number }>('select used from quota_grant where tenant = $1', [tenant]))[0]?.used,
  }
}

export function refused(answer: Answer, status: number, code: string): void {
  assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [status, code], answer.text)
}
