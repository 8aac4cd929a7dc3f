/** Whoever waits for a sandbox hears of it, and those who wait for one tenant's leave room for the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Db } from '../../../origin/controller/database/connect.ts'
import { createStateWatch, type Watched } from '../../../origin/controller/sandboxes/state-watch.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

const IS_RUNNING = ({ state }: Watched): boolean => state === 'running'

/** A database in which these sandboxes run, and no others are. */
function watchOver(running: readonly string[]) {
  const rows = running.map((id): Watched => ({ id, state: 'running', readyAt: null }))
  const from = () => ({ where: async () => rows })
  return createStateWatch({ select: () => ({ from }) } as unknown as Db, () => {})
}

test('one tenant that waits for as many as it may keeps no other from waiting', async () => {
  const leaving = new AbortController()
  const isNever = (): boolean => false
  const all = Array.from({ length: LIMITS.readinessWaitersPerTenantMax }, (_, n) => `sbx_${n}`)
  const watch = watchOver([...all, 'sbx_other'])
  const waiting = all.map((id) => watch.until({ id, tenant: 'ten_a' }, isNever, leaving.signal))
  const refused = watch.until({ id: 'sbx_1', tenant: 'ten_a' }, IS_RUNNING, leaving.signal)
  await assert.rejects(refused, (thrown) => thrown instanceof AppError && thrown.code === 'stream_limit')
  const other = await watch.until({ id: 'sbx_other', tenant: 'ten_b' }, IS_RUNNING, leaving.signal)
  assert.equal(other?.state, 'running')
  leaving.abort()
  assert.ok((await Promise.all(waiting)).every((now) => now === undefined))
  const again = watch.until({ id: 'sbx_1', tenant: 'ten_a' }, IS_RUNNING, new AbortController().signal)
  assert.equal((await again)?.state, 'running', 'who has left makes room')
})
