import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  COUNTED,
  ENDED,
  EVENTS,
  LIVE,
  type LifecycleEvent,
  type SandboxState,
  STATES,
  sourcesOf,
  transition,
} from '../../../shared/lifecycle.ts'

const anyEvent = fc.constantFrom(...EVENTS)
const anyState = fc.constantFrom(...STATES)

const run = (history: LifecycleEvent[]): SandboxState =>
  history.reduce<SandboxState>((state, event) => {
    const verdict = transition(state, event)
    return verdict.kind === 'moved' ? verdict.to : state
  }, 'creating')

// Room is given back exactly once, so no event may wake a sandbox that has ended.
test('an ended sandbox never lives again, whatever arrives late', () => {
  fc.assert(
    fc.property(fc.array(anyEvent), anyEvent, (history, late) => {
      const state = run(history)
      if (!ENDED.has(state)) return
      const verdict = transition(state, late)
      if (verdict.kind === 'moved') assert.equal(verdict.to, 'destroyed')
    }),
    { numRuns: 2_000 },
  )
})

test('a destroyed sandbox never moves, and every other state can be destroyed', () => {
  for (const event of EVENTS) assert.notEqual(transition('destroyed', event).kind, 'moved')
  for (const state of STATES) {
    if (state !== 'destroyed') assert.deepEqual(transition(state, 'destroy'), { kind: 'moved', to: 'destroyed' })
  }
})

// A host may report late or twice; that must never turn into an error for a caller.
test('a late fact is ignored and an impossible request is denied', () => {
  const facts: LifecycleEvent[] = ['provision', 'ready', 'snapshotted', 'fail']
  fc.assert(
    fc.property(anyState, anyEvent, (state, event) => {
      const verdict = transition(state, event)
      if (verdict.kind !== 'moved') assert.equal(verdict.kind, facts.includes(event) ? 'ignored' : 'denied')
    }),
  )
})

test('the guard of the writing statement is the table itself', () => {
  fc.assert(
    fc.property(anyState, anyEvent, (state, event) => {
      assert.equal(sourcesOf(event).includes(state), transition(state, event).kind === 'moved')
    }),
  )
})

test('every live state fails into error, and what counts against a limit is alive', () => {
  for (const state of LIVE) assert.deepEqual(transition(state, 'fail'), { kind: 'moved', to: 'error' })
  for (const state of COUNTED) assert.ok(LIVE.has(state))
  for (const state of ENDED) assert.ok(!LIVE.has(state))
  assert.equal(LIVE.size + ENDED.size, STATES.length)
})
