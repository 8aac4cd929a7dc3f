import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { due, postponed } from '../../../origin/hostd/vm/deadlines.ts'
import { VM_STATES } from '../../../shared/contracts/host.ts'

const anyVm = fc.record({
  state: fc.constantFrom(...VM_STATES),
  activeAtMs: fc.nat(10_000),
  commandsRunning: fc.nat(2),
  spec: fc.record({
    expires_at_ms: fc.option(fc.nat(10_000)),
    on_expiry: fc.constantFrom('pause' as const, 'destroy' as const),
    idle_timeout_sec: fc.nat(5),
  }),
})

test('a running sandbox past its end stops in the way it was told, even while a command runs', () => {
  fc.assert(
    fc.property(anyVm, fc.nat(20_000), (vm, nowMs) => {
      const expired = { ...vm, state: 'running' as const, spec: { ...vm.spec, expires_at_ms: nowMs } }
      assert.equal(due(expired, nowMs), vm.spec.on_expiry)
    }),
  )
})

// A machine that boots for ten seconds would be over before its first command, were it given three.
test('a sandbox has all of its time from when it is ready, however long its start took', () => {
  fc.assert(
    fc.property(anyVm, fc.double({ min: 0, max: 120_000, noNaN: true }), (vm, startMs) => {
      const { expires_at_ms } = vm.spec
      const ready = { ...vm, state: 'running' as const, activeAtMs: startMs }
      const end = postponed(expires_at_ms, startMs)
      const spec = { ...vm.spec, expires_at_ms: end, idle_timeout_sec: 0 }
      if (expires_at_ms === null) assert.equal(end, null)
      else assert.equal(due({ ...ready, spec }, startMs + expires_at_ms - 1), 'nothing')
    }),
  )
})

test('a sandbox that neither expires nor idles is never touched', () => {
  fc.assert(
    fc.property(anyVm, fc.nat(), (vm, nowMs) => {
      assert.equal(due({ ...vm, spec: { ...vm.spec, expires_at_ms: null, idle_timeout_sec: 0 } }, nowMs), 'nothing')
    }),
  )
})

test('a command that runs is activity', () => {
  const vm = { state: 'running' as const, activeAtMs: 0, commandsRunning: 1 }
  const spec = { expires_at_ms: null, on_expiry: 'pause' as const, idle_timeout_sec: 1 }
  assert.equal(due({ ...vm, spec }, 1e9), 'nothing')
  assert.equal(due({ ...vm, spec, commandsRunning: 0 }, 1_000), 'pause')
})

test('what is paused, starting or ending is never paused, and only its expiry may destroy what is paused', () => {
  fc.assert(
    fc.property(anyVm, fc.nat(20_000), (vm, nowMs) => {
      if (vm.state === 'running') return
      const verdict = due(vm, nowMs)
      assert.notEqual(verdict, 'pause')
      if (verdict === 'destroy') assert.ok(vm.state === 'paused' && (vm.spec.expires_at_ms ?? Infinity) <= nowMs)
    }),
  )
})
