/** What hangs on time must not hang on what time a controller's machine thinks it is. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRegionClock } from '../../../origin/controller/database/region-clock.ts'
import { createLedger } from '../../../origin/controller/placement/ledger.ts'
import { pickHost } from '../../../origin/controller/placement/pick-host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZES } from '../../../shared/machines.ts'

const HOUR_MS = 3_600_000

test('an hour either way on the clock of its machine is nothing to the time that a controller goes by', async () => {
  const database = {
    query: async () => ({ rows: [{ now: new Date(1_790_000_000_000 + performance.now() - startedAt) }] }),
  }
  const startedAt = performance.now()
  const clock = await openRegionClock(database as never, () => {})
  try {
    for (const step of [HOUR_MS, -HOUR_MS]) {
      mock.timers.enable({ apis: ['Date'], now: Date.now() + step })
      await sleep(20)
      const expected = 1_790_000_000_000 + performance.now() - startedAt
      assert.ok(Math.abs(clock.now() - expected) < HOUR_MS / 60, `${clock.now()} is not ${expected}`)
      mock.timers.reset()
    }
  } finally {
    await clock.stop()
  }
})

// A database that is away for longer than a host may be silent must not make every host look lost.
test('a host that answers is not taken for lost because its word could not be written', () => {
  let now = 0
  const ledger = createLedger(() => now)
  const capacity = {
    accel: 'kvm' as const,
    accepting: true,
    draining: false,
    templates: ['default'],
    vcpus: 8,
    memory_mib: 64_000,
    disk_mib: 640_000,
    vms_max: 10,
    running: 0,
    paused: 0,
    free: {},
    pool: {},
    memory_available_mib: 64_000,
    disk_available_mib: 640_000,
  }
  ledger.observe({ host: 'a', capacity, reserved: { memoryMib: 0, diskMib: 0, vms: 0 }, cordoned: false, tenant: null })
  for (; now < 3 * LIMITS.hostLostAfterMs; now += LIMITS.hostPollMs) ledger.hear('a')
  const wish = {
    tenant: 't',
    template: 'default',
    machine: SIZES.small,
    except: new Set<string>(),
    placement: 'spread' as const,
    lot: [0, 0] as const,
  }
  assert.equal(pickHost(ledger.offers(), wish), 'a')
  now += LIMITS.hostLostAfterMs
  assert.equal(pickHost(ledger.offers(), wish), undefined)
  assert.deepEqual([...ledger.templates('t')], [])
})
