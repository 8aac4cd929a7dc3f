/** The end of a real machine is moved while it runs, and the host keeps to the last word, also after it was killed. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { vmRecord } from '../../../shared/contracts/host.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, spec, textOf } from './requests.ts'

const DAY_MS = 24 * 3_600_000

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_POOL: 'default@xs=1' })
})
after(() => host?.stop())

const vmOf = async (id: string) => (await host.inventory()).vms.find((vm) => vm.id === id)
const setDeadlines = (id: string, expires_at_ms: number | null) =>
  host.send('POST', `/v1/vms/${id}/deadlines`, { expires_at_ms, on_expiry: 'pause', idle_timeout_sec: 0 })
const recordOf = ({ body }: { body: string }) => vmRecord.parse(JSON.parse(body))
const isPausedWithin = async (id: string, ms: number): Promise<boolean> => {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(100))
    if ((await vmOf(id))?.state === 'paused') return true
  return false
}

// A sandbox that was extended in the middle of its work must not be stopped in the middle of it.
test('a machine that is given more time runs past its old end, and stops at the new one', async () => {
  await create(host, spec('one', { expires_at_ms: Date.now() + 3_000 }))
  const end = Date.now() + DAY_MS
  const answer = await setDeadlines('one', end)
  assert.equal(answer.status, 200)
  assert.deepEqual([recordOf(answer).state, recordOf(answer).expires_at_ms], ['running', end])
  assert.equal(await isPausedWithin('one', 4_000), false)
  assert.equal(textOf(await exec(host, 'one', 'echo on')), 'on\n')

  await host.signal('SIGKILL')
  await host.launch()
  assert.equal((await vmOf('one'))?.expires_at_ms, end, 'on disk before it was acknowledged')
  await setDeadlines('one', Date.now())
  assert.equal(await isPausedWithin('one', 60_000), true)
})

test('a paused machine takes its new end and stays paused, and nobody has a say over one that is not there', async () => {
  const answer = await setDeadlines('one', Date.now() + DAY_MS)
  assert.equal(recordOf(answer).state, 'paused')
  assert.equal((await setDeadlines('nobody', null)).status, 404)
})
