/** The visitors of one tenant never take the room of another's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCrowd } from '../../../origin/controller/previews/crowd.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

const refusedWith = (code: string) => (thrown: unknown) => thrown instanceof AppError && thrown.code === code
const fill = (crowd: ReturnType<typeof createCrowd>, tenant: string, count: number) =>
  Array.from({ length: count }, () => crowd.enter(tenant))

test('a tenant with all the visitors that it may have leaves room for others, and gets it back when they go', () => {
  const crowd = createCrowd()
  const leaves = fill(crowd, 'one', LIMITS.previewsPerTenantAtOnceMax)
  assert.throws(() => crowd.enter('one'), refusedWith('port_busy'))
  crowd.enter('two')()
  leaves.pop()?.()
  crowd.enter('one')
  assert.throws(() => crowd.enter('one'), refusedWith('port_busy'))
})

test('when the region is full nobody enters, and whoever leaves makes room for anybody', () => {
  const crowd = createCrowd()
  const tenants = LIMITS.previewsAtOnceMax / LIMITS.previewsPerTenantAtOnceMax
  const leaves = Array.from({ length: tenants }, (_, at) => fill(crowd, `t${at}`, LIMITS.previewsPerTenantAtOnceMax))
  assert.throws(() => crowd.enter('late'), refusedWith('capacity_exhausted'))
  leaves[0]?.[0]?.()
  crowd.enter('late')
})
