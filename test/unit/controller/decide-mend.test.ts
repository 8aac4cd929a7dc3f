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
  isOverdue: fc.boolean(),
  isMistimed: fc.boolean(),
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
    fail: 'fail',
    destroy: 'destroy',
  } as const
  forAll((finding) => {
    const mend = decideMend(finding)
    if (mend === 'leave' || mend === 'clear' || mend === 'set_deadlines') return
    if (mend === 'pause_machine' && finding.state === 'paused') return
    assert.ok(sourcesOf(events[mend]).includes(finding.state), `${mend} from ${finding.state}`)
  })
})

// A host that was not told of an extension would end the sandbox too early.
test('a machine whose host knows of another end is told, unless that end has come', () => {
  forAll((finding) => {
    if (finding.state !== finding.machine || !finding.isMistimed || finding.isOverdue) return
    assert.equal(decideMend(finding), 'set_deadlines')
  })
})
