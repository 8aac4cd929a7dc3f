/** Which sandboxes of a host have a door, and when. The agents are the test's own: they say who waits in them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Egress } from '../../../../origin/hostd/egress/egress.ts'
import { Journal } from '../../../../origin/hostd/journal/journal.ts'
import type { Machine } from '../../../../origin/hostd/machine/machine.ts'
import { createMetrics } from '../../../../origin/hostd/metrics/instruments.ts'
import { Registry } from '../../../../origin/hostd/vm/registry.ts'
import { newVm, type Vm } from '../../../../origin/hostd/vm/vm.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { until } from '../../../harness/until.ts'
import { spec } from '../../../integration/hostd/requests.ts'
import { CLOSED } from './world.ts'

const LIMIT = { timeout: 60_000 }

/** A running sandbox, with how often the host has come for a connection, and how many of those times it still waits. */
class Sandbox {
  readonly vm: Vm
  asked = 0
  waiting = 0

  constructor(id: string) {
    const guest: Pick<Machine['guest'], 'session'> = { session: (signal) => this.#wait(signal) }
    const machine: Pick<Machine, 'died' | 'guest'> = {
      died: new AbortController().signal,
      guest: guest as Machine['guest'],
    }
    this.vm = { ...newVm(spec(id), 0), state: 'running', machine: machine as Machine }
  }

  #wait(signal: AbortSignal): Promise<never> {
    this.asked += 1
    this.waiting += 1
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        this.waiting -= 1
        reject(signal.reason)
      }),
    )
  }
}

let directory: string
let registry: Registry
let egress: Egress
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'doors-'))
  registry = new Registry(new Journal(directory), [], () => undefined)
  const ground = { registry, metrics: createMetrics(), log: () => undefined }
  egress = await Egress.open(directory, ground, { reach: 'public', nameServers: undefined })
})
afterEach(() => {
  egress.close()
  rmSync(directory, { recursive: true })
})

function begin(id: string): Sandbox {
  const sandbox = new Sandbox(id)
  registry.add(sandbox.vm)
  return sandbox
}
const isOpen = ({ waiting }: Sandbox): boolean => waiting === LIMITS.egressAcceptsWaiting
const untilOpen = (sandbox: Sandbox): Promise<void> => until('the host to wait in it', async () => isOpen(sandbox))
const untilShut = (sandbox: Sandbox): Promise<void> => until('nobody to wait', async () => sandbox.waiting === 0)

// What a sandbox without a policy is refused is in the audit, because the host refuses it. Its first command waits for none of that.
test('one without a policy has a door a moment after it runs, and nothing is done for it before', LIMIT, async () => {
  const sandbox = begin('closed')
  egress.tend(sandbox.vm)
  await new Promise(setImmediate)
  assert.equal(sandbox.asked, 0)
  egress.start()
  await untilOpen(sandbox)
  const later = begin('later')
  await untilOpen(later)
  const { commandsRunning, tunnelsOpen, guestCallsOpen, activeAtMs } = later.vm
  assert.deepEqual([commandsRunning, tunnelsOpen, guestCallsOpen, activeAtMs], [0, 0, 0, 0], 'it keeps none awake')
})

test('one with a policy has its door at once', LIMIT, async () => {
  const sandbox = begin('open')
  egress.begin('open', { revision: 1, policy: CLOSED })
  egress.tend(sandbox.vm)
  await untilOpen(sandbox)
})

// A process that connects in that moment would be broken off, and not refused.
test('a policy that comes or goes leaves the door as it is', LIMIT, async () => {
  const sandbox = begin('changed')
  egress.put(sandbox.vm, { revision: 1, policy: CLOSED })
  await untilOpen(sandbox)
  egress.put(sandbox.vm, { revision: 2, policy: null })
  egress.put(sandbox.vm, { revision: 3, policy: CLOSED })
  egress.start()
  assert.ok(isOpen(sandbox))
  assert.equal(sandbox.asked, LIMITS.egressAcceptsWaiting)
})

test('none waits in one that does not run, and it has another door when it runs again', LIMIT, async () => {
  const sandbox = begin('paused')
  const { vm } = sandbox
  vm.state = 'starting'
  egress.start()
  await new Promise(setImmediate)
  assert.equal(sandbox.asked, 0)
  vm.state = 'running'
  await untilOpen(sandbox)
  vm.state = 'paused'
  vm.frozen.abort()
  await untilShut(sandbox)
  vm.frozen = new AbortController()
  vm.state = 'running'
  await untilOpen(sandbox)
  egress.close()
  await untilShut(sandbox)
})
