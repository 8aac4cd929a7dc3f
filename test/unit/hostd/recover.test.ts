import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { Journal, type OwnedRecord } from '../../../origin/hostd/journal/journal.ts'
import { planRecovery } from '../../../origin/hostd/journal/recover.ts'
import { newLineage } from '../../../origin/hostd/machine/lineage.ts'
import { SIZES } from '../../../shared/machines.ts'

const nameOf = (index: number): string => `m-${index.toString(16).padStart(12, '0')}`
const record = (machineName: string, id: string, started_at_ms: number): OwnedRecord => ({
  machineName,
  uid: 200_000,
  lineage: newLineage('base'),
  spec: {
    id,
    template: 'default',
    machine: SIZES.xs,
    hostname: id,
    expires_at_ms: null,
    on_expiry: 'pause',
    idle_timeout_sec: 0,
  },
  boot_path: 'warm',
  boot_ms: 12,
  merged_from: null,
  started_at_ms,
})

/** A crash may leave any mixture of directories, records, processes and losses. */
const anyMachines = fc
  .array(
    fc.record({ hasFiles: fc.boolean(), runs: fc.boolean(), owner: fc.option(fc.nat(5)), startedAt: fc.nat(1_000) }),
    { maxLength: 20 },
  )
  .map((machines) => ({
    names: machines.flatMap(({ hasFiles }, index) => (hasFiles ? [nameOf(index)] : [])),
    running: machines.flatMap(({ runs }, index) => (runs ? [{ pid: 1_000 + index, name: nameOf(index) }] : [])),
    owned: machines.flatMap(({ hasFiles, owner, startedAt }, index) =>
      hasFiles && owner !== null ? [record(nameOf(index), `sbx${owner}`, startedAt)] : [],
    ),
  }))
const someSandboxes = fc.subarray(['sbx0', 'sbx1', 'sbx2', 'sbx3', 'sbx4', 'sbx5'])
const anyCrash = fc
  .tuple(anyMachines, someSandboxes, someSandboxes)
  .map(([machines, lost, parked]) => ({ ...machines, lost, parked }))

// A machine that is in none of the three lists would run, unowned and unpaid for, until the host is rebooted.
test('after any crash every machine is adopted, lost or reaped, exactly one of them', () => {
  fc.assert(
    fc.property(anyCrash, (crash) => {
      const plan = planRecovery(crash)
      const decided = [
        ...plan.adopt.map(({ record: { machineName } }) => machineName),
        ...plan.lost.map(({ machineName }) => machineName),
        ...plan.reap.map(({ name }) => name),
      ]
      const all = new Set([...crash.names, ...crash.running.map(({ name }) => name)])
      assert.deepEqual(decided.toSorted(), [...all].toSorted())
    }),
    { numRuns: 500 },
  )
})

test('no sandbox has two machines, and only owned, running machines are adopted', () => {
  fc.assert(
    fc.property(anyCrash, (crash) => {
      const plan = planRecovery(crash)
      const ids = [...plan.adopt.map(({ record }) => record.spec.id), ...plan.lost.map(({ spec }) => spec.id)]
      assert.equal(new Set(ids).size, ids.length)
      for (const { record, pid } of plan.adopt)
        assert.ok(crash.running.some((process) => process.pid === pid && process.name === record.machineName))
      for (const record of plan.lost) assert.ok(!crash.running.some(({ name }) => name === record.machineName))
    }),
    { numRuns: 500 },
  )
})

// Its controller was told that it is gone, so nobody would ever ask for it, or end it, again.
test('a sandbox whose loss is on record is never adopted', () => {
  fc.assert(
    fc.property(anyCrash, (crash) => {
      const plan = planRecovery(crash)
      const kept = [...plan.adopt.map(({ record }) => record), ...plan.lost]
      assert.ok(kept.every((record) => !crash.lost.includes(record.spec.id)))
    }),
    { numRuns: 500 },
  )
})

// Its process ends with every pause on disk; with a power failure in the middle of one, too.
test('a sandbox that is on disk is not lost, and goes on from its machine as long as that runs', () => {
  fc.assert(
    fc.property(anyCrash, (crash) => {
      const plan = planRecovery(crash)
      assert.ok(plan.lost.every(({ spec }) => !crash.parked.includes(spec.id)))
      const without = planRecovery({ ...crash, parked: [] })
      assert.deepEqual(plan.adopt, without.adopt)
    }),
    { numRuns: 500 },
  )
})

test('the journal gives back what was written, forgets what was taken back, and keeps no environment', async () => {
  const directory = mkdtempSync('/tmp/atoll-journal-')
  try {
    const journal = new Journal(directory)
    for (const index of [1, 2]) {
      mkdirSync(`${journal.machinesDir}/${nameOf(index)}`)
      journal.own(record(nameOf(index), `sbx${index}`, index))
    }
    journal.disown(nameOf(2))
    journal.lose({ id: 'a/../b', reason: 'gone', cause: 'died', at_ms: 5 })
    const again = new Journal(directory)
    const { names, owned } = await again.readMachines()
    assert.deepEqual([names.length, owned], [2, [record(nameOf(1), 'sbx1', 1)]])
    const { machineName: _, uid: __, lineage: ___, ...sandbox } = record(nameOf(3), 'sbx3', 3)
    await journal.park({ ...sandbox, snapshot: 'standby-3' })
    assert.deepEqual(await again.readParked(), [{ ...sandbox, snapshot: 'standby-3' }])
    for (const id of ['standby-3', 'unknown']) await again.unpark(id)
    assert.deepEqual(await again.readParked(), [])
    assert.deepEqual(
      (await again.readLosses()).map(({ id }) => id),
      ['a/../b'],
    )
    again.forgetLoss('a/../b')
    assert.deepEqual(await again.readLosses(), [])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
