/** What is answered about sandboxes that are paused, whichever way they are. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import type { Host } from '../../../origin/hostd/host.ts'
import { Journal } from '../../../origin/hostd/journal/journal.ts'
import type { Snapshot } from '../../../origin/hostd/snapshot/snapshot.ts'
import { createVm } from '../../../origin/hostd/vm/create-vm.ts'
import { pauseVm, resumeVm } from '../../../origin/hostd/vm/pause.ts'
import { Registry } from '../../../origin/hostd/vm/registry.ts'
import { newVm, type Vm } from '../../../origin/hostd/vm/vm.ts'
import { AppError } from '../../../shared/errors.ts'
import { FRAME } from '../../../shared/frames.ts'
import { VM_SPEC } from './vm-spec.ts'

/** A host with one sandbox that is paused on disk. */
async function withPaused(use: (host: Host, vm: Vm) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/tmp/atoll-paused-')
  try {
    const journal = new Journal(directory)
    const registry = new Registry(journal, [], () => {})
    const snapshot: Partial<Snapshot> = { manifest: { id: 'standby-1' } as Snapshot['manifest'] }
    const parked = { snapshot: snapshot as Snapshot, end: async () => {} }
    const vm: Vm = { ...newVm(VM_SPEC, 0), state: 'paused', parked, pausedAtMs: 1 }
    registry.add(vm)
    const host: Partial<Host> = { journal, registry, draining: AbortSignal.abort() }
    await use(host as Host, vm)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

// Told that the first create had failed, a controller would give up a sandbox that is there.
test('a create that is repeated when its sandbox is on disk by then is answered as the first one', async () => {
  await withPaused(async (host) => {
    const frames = createVm(host, { vm: { ...VM_SPEC, env: {} } }, new AbortController().signal)
    assert.equal((await frames.next()).value?.type, FRAME.ready)
  })
})

// What is brought to disk because its machine is about to go must not run again behind the back of who does it.
test('a daemon that is about to end lets no paused sandbox go on', async () => {
  await withPaused(async (host, vm) => {
    const deadlines = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 } as const
    await assert.rejects(resumeVm(host, 'sbx', deadlines), { code: 'draining' })
    vm.parked = null
    vm.machine = { name: 'm-000000000001', owner: null } as Vm['machine']
    mkdirSync(`${host.journal.machinesDir}/m-000000000001`)
    await assert.rejects(resumeVm(host, 'sbx', deadlines), { code: 'draining' })
    assert.equal(vm.state, 'paused')
  })
})

test('a pause in which the machine dies says that the sandbox is lost, and not that the host failed', async () => {
  await withPaused(async (host, vm) => {
    const command = async (): Promise<never> => {
      vm.ending.abort(new AppError('sandbox_lost', 'The sandbox ended by itself.'))
      throw new AppError('internal', 'The machine did not do what the host asked of it.')
    }
    Object.assign(vm, { state: 'running', parked: null, machine: { name: 'm-000000000001', qmp: { command } } })
    await assert.rejects(pauseVm(host, 'sbx'), { code: 'sandbox_lost' })
  })
})
