import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { Journal } from '../../../origin/hostd/journal/journal.ts'
import type { Machine } from '../../../origin/hostd/machine/machine.ts'
import { Registry } from '../../../origin/hostd/vm/registry.ts'
import { newVm } from '../../../origin/hostd/vm/vm.ts'
import { AppError } from '../../../shared/errors.ts'
import { VM_SPEC } from './vm-spec.ts'

const stop = new AppError('sandbox_lost', 'It was asked to end.')

// A sandbox that could not be taken out would hold its room, and answer every repeat of the destroy with the old failure.
test('a machine that cannot be freed whole is told once, and no longer counts', async () => {
  const directory = mkdtempSync('/tmp/atoll-registry-')
  try {
    const registry = new Registry(new Journal(directory), [], () => {})
    const stuck: Partial<Machine> = { name: 'm-000000000001', end: () => Promise.reject(new Error('the disk is gone')) }
    const vm = { ...newVm(VM_SPEC, 0), machine: stuck as Machine }
    registry.add(vm)
    await assert.rejects(registry.end(vm, stop), /the disk is gone/)
    assert.deepEqual(registry.all(), [])
    assert.equal(vm.ending.signal.reason, stop)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

// On a full disk nothing can be written down: a sandbox whose machine is gone would run for ever, as far as anybody is told.
test('a loss that cannot be journalled is a loss all the same', async () => {
  const directory = mkdtempSync('/tmp/atoll-registry-')
  try {
    const said: string[] = []
    const registry = new Registry(new Journal(directory), [], (event) => said.push(event))
    const vm = newVm(VM_SPEC, 0)
    registry.add(vm)
    rmSync(`${directory}/lost`, { recursive: true })
    await registry.lose(vm, { reason: 'It ended.', cause: 'died', at_ms: 1 })
    assert.deepEqual(registry.inventory(), {
      vms: [],
      lost: [{ id: 'sbx', reason: 'It ended.', cause: 'died', at_ms: 1 }],
    })
    assert.throws(() => registry.require('sbx'), { code: 'sandbox_lost' })
    assert.deepEqual(said, ['sandbox-lost', 'loss-not-journalled'])
    registry.acknowledgeLoss('sbx')
    assert.throws(() => registry.require('sbx'), { code: 'sandbox_not_found' })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
