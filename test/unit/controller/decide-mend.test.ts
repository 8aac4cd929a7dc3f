/** The reconciler's decision: what it may never do, whatever it finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideMend, type Finding } from '../../../origin/controller/reconcile/decide-mend.ts'
import { VM_STATES } from '../../../shared/contracts/host.ts'
import { ENDED, STATES, sourcesOf } from '../../../shared/lifecycle.ts'

const anyFinding: fc.Arbitrary<Finding> = fc.record({
  state: fc.constantFrom(...STATES),
  machine: fc.constantFrom(...VM_STATES, 'none' as const),
  isOrphan: fc.boolean(),
  isMerging: fc.boolean(),
  isOverdue: fc.boolean(),
  isMistimed: fc.boolean(),
  isMisled: fc.boolean(),
  isExpired: fc.boolean(),
  persistent: fc.boolean(),
})
const forAll = (holds: (finding: Finding) => void): void =>
  fc.assert(fc.property(anyFinding, holds), { numRuns: 5_000 })

// A create in flight would be killed under its caller.
test('what a living controller is working on is left alone', () => {
  forAll((finding) => {
    if ((finding.state === 'creating' || finding.state === 'provisioning') && !finding.isOrphan)
      assert.equal(decideMend(finding), 'leave')
  })
})

test('what has ended is cleared from its host, always', () => {
  forAll((finding) => {
    if (ENDED.has(finding.state)) assert.equal(decideMend(finding), 'clear')
  })
})

// Its machine may be another sandbox's by now, or its own still; only its host knows.
test('a merge is finished when the machine has gone, taken back when it has not, and never by anybody while its controller lives', () => {
  forAll((finding) => {
    if (!finding.isMerging || ENDED.has(finding.state)) return
    const mend = decideMend(finding)
    if (!finding.isOrphan) return assert.equal(mend, 'leave')
    assert.equal(mend === 'finish_merge', finding.machine === 'none')
    assert.equal(mend === 'drop_merge', finding.machine === 'running' || finding.machine === 'paused')
  })
})

// What is persistent is never destroyed by a clock.
test('a persistent sandbox is never destroyed by time', () => {
  forAll((finding) => {
    if (finding.persistent) assert.notEqual(decideMend(finding), 'destroy')
  })
})

test('a machine that runs, or is about to, never makes its row an error', () => {
  forAll((finding) => {
    if (finding.machine !== 'none') assert.notEqual(decideMend(finding), 'fail')
  })
})

test('no mend asks for a move that the lifecycle does not have', () => {
  const events = {
    ready: 'ready',
    pause_row: 'pause',
    pause_machine: 'pause',
    go_on: 'snapshotted',
    fail: 'fail',
    destroy: 'destroy',
  } as const
  forAll((finding) => {
    const mend = decideMend(finding)
    if (mend === 'leave' || mend === 'clear' || mend === 'set_deadlines' || mend === 'set_egress') return
    if (mend === 'finish_merge' || mend === 'drop_merge') return
    if (mend === 'pause_machine' && finding.state === 'paused') return
    assert.ok(sourcesOf(events[mend]).includes(finding.state), `${mend} from ${finding.state}`)
  })
})

// A host that was not told of an extension would end the sandbox too early.
test('a machine whose host knows of another end is told, unless that end has come', () => {
  forAll((finding) => {
    if (finding.state !== finding.machine || !finding.isMistimed || finding.isOverdue || finding.isMerging) return
    assert.equal(decideMend(finding), 'set_deadlines')
  })
})

// A host that was away would let a sandbox go where it was forbidden to go meanwhile.
test('a machine whose host was told something else of where it may go is told, once it is known to end on time', () => {
  forAll((finding) => {
    if (finding.state !== finding.machine || !finding.isMisled || finding.isMistimed) return
    if (finding.isOverdue || finding.isMerging) return
    assert.equal(decideMend(finding), 'set_egress')
  })
})
