/** A pool of real machines: it follows what is asked for, costs no processor, and says what it does. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuMsOf } from '../../../origin/hostd/qemu/process-usage.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, readyOf, shell, spec, textOf } from './requests.ts'

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_POOL: 'default@xs=1', ATOLL_POOL_MEMORY_MIB: '1024' })
})
after(() => host?.stop())

/** The value of one line of /metrics, or 0 when it is not there. */
async function metric(line: string): Promise<number> {
  const { status, body } = await host.send('GET', '/metrics')
  assert.equal(status, 200)
  const found = body.split('\n').find((text) => text.startsWith(`${line} `))
  return Number(found?.slice(line.length) ?? 0)
}

test('machines asked for at the same time are there the next time, beyond what is always kept', async () => {
  await host.untilPooled('default@xs', 1)
  const claims = await Promise.all(['a', 'b', 'c'].map((id) => create(host, spec(id), shell('echo here'))))
  for (const claim of claims) assert.equal(textOf(claim), 'here\n')
  assert.deepEqual(claims.map((claim) => readyOf(claim).boot_path).sort(), ['restore', 'restore', 'warm'])
  await host.untilPooled('default@xs', 3)
  assert.equal(await metric('atoll_pool_targets{pool="default@xs"}'), 3)
  const again = await Promise.all(['d', 'e', 'f'].map((id) => create(host, spec(id))))
  assert.deepEqual(new Set(again.map((claim) => readyOf(claim).boot_path)), new Set(['warm']))
})

test('metrics tell how sandboxes began, how often the pool had one, and what refused', async () => {
  assert.equal(await metric('atoll_machine_start_seconds_count{path="warm"}'), 4)
  assert.equal(await metric('atoll_machine_start_seconds_count{path="restore"}'), 2)
  assert.equal(await metric('atoll_machine_start_phase_seconds_count{path="warm",phase="answer"}'), 4)
  assert.equal(await metric('atoll_pool_claims_total{pool="default@xs",outcome="hit"}'), 4)
  assert.equal(await metric('atoll_pool_claims_total{pool="default@xs",outcome="miss"}'), 2)
  assert.equal(await metric('atoll_machines{state="running"}'), 6)
  await create(host, spec('x', { template: 'nope' }))
  assert.equal(await metric('atoll_refusals_total{code="template_not_found"}'), 1)
  const cpuSec = await metric('atoll_machines_cpu_seconds_total')
  assert.ok(cpuSec > 0)
  assert.ok((await metric('atoll_machines_bytes{of="memory_private"}')) > 0)
  for (const id of ['d', 'e', 'f']) await host.send('DELETE', `/v1/vms/${id}`)
  assert.ok((await metric('atoll_machines_cpu_seconds_total')) >= cpuSec)
  await host.send('POST', '/v1/vms/a/pause')
  await host.send('POST', '/v1/vms/a/resume', { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 })
  assert.equal(await metric('atoll_machine_resume_seconds_count{from="memory"}'), 1)
  const { body } = await host.send('GET', '/metrics')
  assert.doesNotMatch(body, /sbx_|"[a-f]"/)
})

// A pool that idled on a processor would be paid for by the sandboxes.
test('machines that wait in the pool use no processor', async () => {
  await host.until('nothing is being made', 60_000, async () => {
    const [depth, target] = await Promise.all(
      ['machines', 'targets'].map((what) => metric(`atoll_pool_${what}{pool="default@xs"}`)),
    )
    return depth === target
  })
  const owned = new Set(await Promise.all(['a', 'b', 'c'].map(async (id) => (await host.machineOf(id)).pid)))
  const pooled = (await host.machines()).filter(({ pid }) => !owned.has(pid))
  assert.ok(pooled.length >= 3)
  const usedMs = (): Promise<number[]> =>
    Promise.all(pooled.map(async ({ pid }) => cpuMsOf(await readFile(`/proc/${pid}/stat`, 'utf8'))))
  const before = await usedMs()
  await sleep(4_000)
  assert.deepEqual(await usedMs(), before)
})
