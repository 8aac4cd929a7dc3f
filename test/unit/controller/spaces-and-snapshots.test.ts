/** What is decided about spaces and snapshots: what it may never be, whatever is found. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideSnapshotMend } from '../../../origin/controller/reconcile/decide-snapshot-mend.ts'
import { decideSpace, type SpaceDeed } from '../../../origin/controller/spaces/decide-space.ts'
import { nextSpaceState, type SpaceEvent, spaceSourcesOf } from '../../../origin/controller/spaces/space-life.ts'
import { SPACE_STATES } from '../../../shared/contracts/spaces.ts'
import { ENDED, STATES } from '../../../shared/lifecycle.ts'

const EVENTS: SpaceEvent[] = ['open', 'opened', 'failed', 'freeze', 'frozen', 'used', 'ended']
const anySpace = fc.record({
  state: fc.constantFrom(...SPACE_STATES),
  sandbox: fc.constantFrom(...STATES, 'none' as const),
  isOrphan: fc.boolean(),
  isIdle: fc.boolean(),
})
const anySnapshot = fc.record({
  state: fc.constantFrom('creating' as const, 'ready' as const, 'failed' as const, 'deleting' as const),
  isKept: fc.boolean(),
  isOrphan: fc.boolean(),
})

// Another machine for a space that has one would be a second truth about it.
test('a space is opened only from frozen, and is frozen only by way of one that nobody else moves', () => {
  assert.deepEqual(spaceSourcesOf('open'), ['frozen'])
  assert.deepEqual(spaceSourcesOf('frozen'), ['freezing'])
  for (const state of SPACE_STATES)
    for (const event of EVENTS)
      assert.equal(spaceSourcesOf(event).includes(state), nextSpaceState(state, event) !== undefined)
})

test('a space that a living controller opens or freezes is left to it, and one that runs is never frozen', () => {
  fc.assert(
    fc.property(anySpace, (finding) => {
      const deed = decideSpace(finding)
      if ((finding.state === 'opening' || finding.state === 'freezing') && !finding.isOrphan)
        assert.equal(deed, 'leave')
      if (deed === 'freeze')
        assert.deepEqual([finding.state, finding.sandbox, finding.isIdle], ['open', 'paused', true])
    }),
  )
})

test('a space lets go of its sandbox only when that has ended, and what is decided is a move that there is', () => {
  const events: Partial<Record<SpaceDeed, SpaceEvent>> = {
    opened: 'opened',
    failed: 'failed',
    freeze: 'freeze',
    stay_open: 'used',
    ended: 'ended',
  }
  fc.assert(
    fc.property(anySpace, (finding) => {
      const deed = decideSpace(finding)
      const isGone = finding.sandbox === 'none' || ENDED.has(finding.sandbox)
      if (deed === 'failed' || deed === 'ended') assert.ok(isGone)
      const event = events[deed]
      if (event !== undefined) assert.notEqual(nextSpaceState(finding.state, event), undefined)
    }),
  )
})

test('a snapshot that is kept is never given up, and one that is being taken is left to its controller', () => {
  fc.assert(
    fc.property(anySnapshot, (finding) => {
      const mend = decideSnapshotMend(finding)
      if (finding.state === 'creating' && !finding.isOrphan) assert.equal(mend, 'leave')
      if (mend === 'snapshot_undo' || mend === 'snapshot_lost') assert.ok(!finding.isKept)
      if (mend === 'snapshot_forget') assert.equal(finding.state, 'deleting')
    }),
  )
})
