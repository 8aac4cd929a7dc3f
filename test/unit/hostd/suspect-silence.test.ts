import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import type { Violation } from '../../../origin/hostd/guest/violation.ts'
import { suspectSilence } from '../../../origin/hostd/vm/suspect-silence.ts'
import { newVm } from '../../../origin/hostd/vm/vm.ts'
import { spec } from '../../integration/hostd/requests.ts'

const PATIENCE_MS = 60
const session = (answers: () => Promise<void>): Pick<GuestSession, 'answers'> => ({ answers })
const silent = (): Promise<void> =>
  new Promise((_, reject) => setTimeout(() => reject(new Error('silence')), PATIENCE_MS))

async function suspect(answers: () => Promise<void>, meanwhile: (vm: ReturnType<typeof newVm>) => void = () => {}) {
  const accusations: Violation[] = []
  const guest = {
    session: async () => session(answers) as GuestSession,
    accuse: (violation: Violation): void => void accusations.push(violation),
  }
  const vm = newVm(spec('suspect'), 0)
  vm.state = 'running'
  const suspecting = suspectSilence(vm, { guest, died: new AbortController().signal }, PATIENCE_MS)
  meanwhile(vm)
  await suspecting
  return accusations
}

test('an agent that answers nothing for long enough is blamed for its silence', async () => {
  assert.deepEqual(await suspect(silent), ['silence'])
})

test('an agent that answers is left alone', async () => {
  assert.deepEqual(await suspect(async () => {}), [])
})

// A sandbox that was paused in the middle of its work must not be lost for it.
test('a machine that was paused or is ending is not blamed for its silence', async () => {
  const paused = await suspect(silent, (vm) => {
    vm.state = 'paused'
    vm.frozen.abort()
  })
  const ending = await suspect(silent, (vm) => vm.ending.abort())
  assert.deepEqual([paused, ending], [[], []])
})
