/** What a host refuses before anything is started. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, shell, spec, textOf } from './requests.ts'

async function withHost(settings: Record<string, string>, use: (host: Daemon) => Promise<void>): Promise<void> {
  const host = await Daemon.start(settings)
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

test('two daemons never share one journal', async () => {
  await withHost({}, async (host) => {
    await assert.rejects(Daemon.start({ ATOLL_STATE_DIR: `${host.directory}/state` }), /busy with the same files/)
  })
})
