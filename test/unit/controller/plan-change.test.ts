/** What a request changes of a sandbox, and what it may never do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SandboxRow } from '../../../origin/controller/database/schema/sandboxes.ts'
import { hasClock, planExtension, planUpdate } from '../../../origin/controller/sandboxes/plan-change.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { AppError, type ErrorCode } from '../../../shared/errors.ts'
import { STATES } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'

const NOW_MS = 1_800_000_000_000
const MAX = DEFAULT_TIERS.scale

const rowOf = (over: Partial<SandboxRow>): SandboxRow => ({
  id: 'sbx_usw1_1',
  tenant: 't',
  name: null,
  slug: null,
  state: 'running',
  revision: 1,
  host: 'h1',
  instance: 1,
  template: 'default',
  vcpus: 1,
  memoryMib: 512,
  diskMib: 1_024,
  timeoutSec: 300,
  idleTimeoutSec: 0,
  alwaysOn: false,
  persistent: true,
  metadata: {},
  tags: [],
  externalWorkspaceId: null,
  externalUserId: null,
  externalProjectId: null,
  workspace: null,
  workspaceSlug: null,
  previewPort: null,
  workspaceName: null,
  egress: null,
  egressRevision: null,
  egressMark: null,
  egressVersion: null,
  fork: null,
  mergeInto: null,
  bootPath: 'warm',
  bootMs: 1,
  lastError: null,
  createdAt: new Date(NOW_MS),
  changedAt: new Date(NOW_MS),
  startedAt: new Date(NOW_MS),
  runtimeMs: null,
  readyAt: new Date(NOW_MS),
  expiresAt: new Date(NOW_MS + 300_000),
  destroyedAt: null,
  releasedAt: null,
  ...over,
})
const anyRow = fc
  .record({
    state: fc.constantFrom(...STATES),
    persistent: fc.boolean(),
    alwaysOn: fc.boolean(),
    endsInSec: fc.integer({ min: -10, max: 1_000 }),
  })
  .map(({ state, persistent, alwaysOn, endsInSec }) => {
    const row = rowOf({ state, persistent, alwaysOn })
    const hasEnd = hasClock(row) && !alwaysOn
    return { ...row, expiresAt: hasEnd ? new Date(NOW_MS + endsInSec * 1_000) : null }
  })
const anyTimes = fc.record(
  {
    always_on: fc.boolean(),
    timeout_sec: fc.integer({ min: 1, max: LIMITS.timeoutSecMax }),
    idle_timeout_sec: fc.integer({ min: 0, max: LIMITS.idleTimeoutSecMax }),
  },
  { requiredKeys: [] },
)
const refusalOf = (work: () => unknown): ErrorCode | undefined => {
  try {
    work()
    return undefined
  } catch (err) {
    assert.ok(err instanceof AppError)
    return err.code
  }
}

// Who was told a later end relies on it.
test('an extension never brings the end nearer, and gives what has none no end', () => {
  fc.assert(
    fc.property(
      anyRow,
      fc.option(fc.integer({ min: 1, max: LIMITS.timeoutSecMax }), { nil: undefined }),
      (row, sec) => {
        const refusal = refusalOf(() => planExtension(row, sec, MAX, NOW_MS))
        if (refusal !== undefined) return assert.ok(!hasClock(row), `${refusal} in ${row.state}`)
        const { set } = planExtension(row, sec, MAX, NOW_MS)
        if (row.expiresAt === null) return assert.deepEqual(set, {})
        const end = set.expiresAt?.getTime() ?? 0
        assert.ok(end >= row.expiresAt.getTime() && end >= NOW_MS + (sec ?? row.timeoutSec) * 1_000)
      },
    ),
  )
})

test('times change only where nobody else is about to set them, and then whole', () => {
  fc.assert(
    fc.property(anyRow, anyTimes, (row, times) => {
      const isTimed = Object.keys(times).length > 0
      const refusal = refusalOf(() => planUpdate(row, times, MAX, NOW_MS))
      const isSettled = row.state === 'running' || row.state === 'paused'
      if (row.state === 'destroyed') return assert.equal(refusal, 'sandbox_not_found')
      assert.equal(refusal === undefined, isSettled || !isTimed, `${refusal} in ${row.state}`)
      if (refusal !== undefined) return
      const { set } = planUpdate(row, times, MAX, NOW_MS)
      if (!hasClock(row)) assert.ok(!('expiresAt' in set), 'what is paused and kept has no end')
      const now = { ...row, ...set }
      if (isTimed && hasClock(row) && ('always_on' in times || 'timeout_sec' in times))
        assert.equal(now.expiresAt?.getTime() ?? null, now.alwaysOn ? null : NOW_MS + now.timeoutSec * 1_000)
    }),
  )
})

test('metadata is merged at its first level: a null takes its key away, and the whole stays below its size', () => {
  const anyMetadata = fc.dictionary(
    fc.string({ maxLength: 8 }),
    fc.oneof(fc.constant(null), fc.string({ maxLength: 4_000 }), fc.constant({ inner: null })),
    { maxKeys: 8 },
  )
  fc.assert(
    fc.property(anyMetadata, anyMetadata, (old, patch) => {
      const row = rowOf({ metadata: Object.fromEntries(Object.entries(old).filter(([, value]) => value !== null)) })
      const refusal = refusalOf(() => planUpdate(row, { metadata: patch }, MAX, NOW_MS))
      if (refusal !== undefined) return assert.equal(refusal, 'invalid_request')
      const { metadata } = planUpdate(row, { metadata: patch }, MAX, NOW_MS).set
      assert.ok(metadata !== undefined && JSON.stringify(metadata).length <= LIMITS.metadataBytesMax)
      for (const [key, value] of Object.entries(patch))
        assert.deepEqual(Object.hasOwn(metadata, key) ? metadata[key] : null, value)
      for (const key of Object.keys(row.metadata)) assert.ok(key in patch || key in metadata)
    }),
  )
})
