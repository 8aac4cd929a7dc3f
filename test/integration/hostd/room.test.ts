/** What a host refuses before anything is started. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { Daemon, type Place } from '../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from './requests.ts'
import { openNarrow } from './snapshots/mounted-place.ts'

async function withHost(
  settings: Record<string, string>,
  use: (host: Daemon) => Promise<void>,
  place?: Place,
): Promise<void> {
  const host = await Daemon.start(settings, place)
  try {
    await use(host)
  } finally {
    await host.stop()
  }
}

test('what is promised to sandboxes is never more than the host has to promise', async () => {
  await withHost({ ATOLL_HOST_MEMORY_MIB: '4096' }, async (host) => {
    assert.equal((await host.capacity()).free.xs, 2)
    const answers = await Promise.all(['a', 'b', 'c'].map((id) => create(host, spec(id), shell('true'))))
    const refused = answers.filter((answer) => answer.status === 503)
    assert.equal(refused.length, 1)
    assert.match(refused[0]?.body ?? '', /capacity_exhausted/)
    assert.equal((await host.capacity()).free.xs, 0)
    const [first] = (await host.inventory()).vms
    await host.send('DELETE', `/v1/vms/${first?.id}`)
    assert.equal((await host.capacity()).free.xs, 1)
  })
})

test('a full disk is refused before a machine is started, and the sandboxes that are there go on', async () => {
  const mount = await mkdtemp('/tmp/atoll-disk-')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3g', 'tmpfs', mount])
  try {
    await withHost({ ATOLL_STATE_DIR: mount }, async (host) => {
      await create(host, spec('early'))
      execFileSync('fallocate', ['-l', '1500M', `${mount}/filler`])
      const late = await create(host, spec('late'))
      assert.equal(late.status, 503)
      assert.match(late.body, /host_disk_exhausted/)
      assert.equal((await host.capacity()).accepting, false)
      assert.equal(textOf(await exec(host, 'early', 'echo on')), 'on\n')
      assert.equal((await host.machines()).length, 1)
    })
  } finally {
    execFileSync('umount', ['-l', mount])
    await rm(mount, { recursive: true, force: true })
  }
})

// It stands in the middle of a write that nobody can do for it, and whoever waits for it would wait for ever.
test('a sandbox that writes more than its host has room for is lost with that reason, and what it took is free again', async () => {
  await using place = await openNarrow()
  const use = async (host: Daemon): Promise<void> => {
    await create(host, spec('modest'), shell('echo mine > file; sync'))
    await host.send('POST', '/v1/vms/modest/pause')
    await create(host, spec('greedy'))
    const much = `python3 -c 'open("big", "wb").writelines([b"x" * 1_000_000] * 120)'; sync; sleep 600`
    const answer = await exec(host, 'greedy', much, { timeout_ms: 900_000 })
    assert.match(answer.body, /sandbox_lost/)
    const { lost } = await host.inventory()
    assert.deepEqual(
      lost.map(({ id, reason }) => [id, reason]),
      [['greedy', 'The disk of its host was full when it wrote to its own.']],
    )
    await host.until('its machine is gone', 60_000, async () => (await host.machines()).length === 1)
    await host.send('POST', '/v1/vms/modest/resume', { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 })
    assert.equal(textOf(await exec(host, 'modest', 'echo more >> file; sync; cat file')), 'mine\nmore\n')
  }
  await withHost({}, use, place)
})

test('two daemons never share one journal', async () => {
  await withHost({}, async (host) => {
    await assert.rejects(Daemon.start({ ATOLL_STATE_DIR: `${host.directory}/state` }), /busy with the same files/)
  })
})
