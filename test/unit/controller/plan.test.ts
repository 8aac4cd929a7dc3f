/** What a create asks for, made whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planExec } from '../../../origin/controller/sandboxes/plan-exec.ts'
import { planSandbox } from '../../../origin/controller/sandboxes/plan-sandbox.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { hostExec } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { machineSchema, SIZE_NAMES, SIZES } from '../../../shared/machines.ts'

const policy = { defaultSize: 'xs', templateAliases: new Map([['base', 'default']]) } as const
const templates = new Set(['default'])

const anyBody = fc.record(
  {
    size: fc.constantFrom(...SIZE_NAMES),
    cpu_count: fc.integer({ min: LIMITS.vcpusMin, max: LIMITS.vcpusMax }),
    memory_mb: fc.integer({ min: LIMITS.memoryMibMin, max: LIMITS.memoryMibMax }),
    disk_size_mb: fc.integer({ min: LIMITS.diskMibMin, max: LIMITS.diskMibMax }),
    timeout_sec: fc.integer({ min: LIMITS.timeoutSecMin, max: LIMITS.timeoutSecMax }),
    template: fc.constantFrom('default', 'base', 'nope'),
  },
  { requiredKeys: [] },
)

test('a plan is always a machine within the limits and within the tier, or a refusal that says why', () => {
  fc.assert(
    fc.property(anyBody, fc.constantFrom('free', 'pro', 'scale'), (body, tier) => {
      const limits = DEFAULT_TIERS[tier]
      const most = SIZES[limits.maxSize]
      try {
        const plan = planSandbox(body, policy, limits, templates)
        machineSchema.parse(plan.machine)
        assert.equal(plan.template, 'default')
        assert.ok(plan.machine.memoryMib <= most.memoryMib && plan.machine.vcpus <= most.vcpus)
        assert.ok(plan.timeoutSec <= limits.maxTimeoutSec)
      } catch (err) {
        assert.ok(err instanceof AppError)
        assert.ok(err.details)
        if (err.code === 'template_not_found') assert.equal(body.template, 'nope')
        else assert.equal(err.code, 'size_not_allowed')
      }
    }),
    { numRuns: 2_000 },
  )
})

test('without any wish the machine is the default size', () => {
  assert.deepEqual(planSandbox({}, policy, DEFAULT_TIERS.free, templates).machine, SIZES.xs)
})

test('a template is not refused while no host has said what there is', () => {
  assert.equal(planSandbox({ template: 'new' }, policy, DEFAULT_TIERS.free, new Set()).template, 'new')
})

test('a shell line runs in a shell, a program runs without one, and both have an end', () => {
  const line = hostExec.parse(planExec({ command: 'echo $HOME' }, '/app'))
  assert.deepEqual(line.argv, ['/bin/bash', '-c', 'echo $HOME'])
  assert.equal(line.timeout_ms, LIMITS.execTimeoutSecDefault * 1_000)
  assert.equal(line.cwd, '/app')
  const program = hostExec.parse(planExec({ cmd: 'node', args: ['$HOME'], timeout: 0.0001, cwd: '/srv' }, '/app'))
  assert.deepEqual(program.argv, ['node', '$HOME'])
  assert.equal(program.timeout_ms, 1)
  assert.equal(program.cwd, '/srv')
})
