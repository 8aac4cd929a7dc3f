/** A real host daemon joins a real region over TLS: a sandbox runs there in a real machine, and neither a kill nor a new address loses it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { embedded, type TestServer } from '../controller/support/databases.ts'
import { OPERATOR, startRegion, type TestRegion, textAt, until } from '../controller/support/region.ts'

const READY_MS = 60_000

let server: TestServer
let region: TestRegion
let daemon: Daemon
let host: string
let token: string

before(async () => {
  server = await embedded.open()
  region = await startRegion(await server.createDatabase())
  const made = await region.ask('/v1/admin/hosts/tokens', { method: 'POST', key: OPERATOR, body: {} })
  token = textAt(made.json, 'data', 'token')
  daemon = await Daemon.start({
    // Whatever port is free: another one after each start, so that the address changes, too.
    ATOLL_HOSTD_LISTEN: '127.0.0.1:0',
    ATOLL_HOST_NAME: 'cellar',
    ATOLL_JOIN_URL: region.url,
    ATOLL_JOIN_TOKEN: token,
  })
  host = await untilJoined()
})
after(async () => {
  await daemon?.stop()
  await region?.close()
  await server?.remove()
})

const joined = async (): Promise<{ id: string; url: string; state: string }[]> => {
  const { json } = await region.ask('/v1/admin/hosts', { key: OPERATOR })
  return (json.data as { id: string; url: string; state: string; name: string }[]).filter(
    ({ name }) => name === 'cellar',
  )
}

async function untilJoined(): Promise<string> {
  await until('the host to be ready', async () => (await joined())[0]?.state === 'ready', READY_MS)
  const [one] = await joined()
  assert.ok(one)
  return one.id
}

const run = (path: string, command: string) =>
  region.ask(path, { method: 'POST', body: { command, ...(path.endsWith('/run') ? { size: 'xs' } : {}) } })

test('a sandbox runs in a real machine on a host that joined, and lives on when its daemon is killed and moves', async () => {
  await region.ask('/v1/admin/hosts/h1/cordon', { method: 'POST', key: OPERATOR })
  const made = await run('/v1/sandboxes/run', 'echo made > kept; uname -s')
  assert.equal(made.status, 201, made.text)
  assert.equal(textAt(made.json, 'exec', 'stdout'), 'Linux\n')
  const id = textAt(made.json, 'data', 'id')
  assert.deepEqual(
    (await daemon.inventory()).vms.map((vm) => vm.id),
    [id],
  )

  const [before] = await joined()
  await daemon.signal('SIGKILL')
  await daemon.launch()
  await until('its new address to be known', async () => (await joined())[0]?.url !== before?.url, READY_MS)
  assert.deepEqual(
    (await joined()).map((one) => one.id),
    [host],
  )
  await until('it to be reached again', async () => (await run(`/v1/sandboxes/${id}/exec`, 'true')).status === 200)
  const kept = await run(`/v1/sandboxes/${id}/exec`, 'cat kept')
  assert.equal(textAt(kept.json, 'data', 'stdout'), 'made\n')

  const destroyed = await region.ask(`/v1/sandboxes/${id}`, { method: 'DELETE' })
  assert.equal(destroyed.status, 204, destroyed.text)
  assert.deepEqual((await daemon.inventory()).vms, [])
})

// Nobody would ever call it, and a daemon that only logs that looks like one that works.
test('a host that the region refuses for good ends, and says why and what to do', async (t) => {
  const settings = { ATOLL_HOSTD_LISTEN: '127.0.0.1:0', ATOLL_JOIN_URL: region.url, ATOLL_JOIN_TOKEN: token }
  const said = await Daemon.start(settings).then(
    async (started) => {
      t.after(() => started.stop())
      await started.until('the daemon has ended', READY_MS, async () => started.exitCode !== null)
      assert.equal(started.exitCode, 1)
      return started.log
    },
    (ended: Error) => ended.message,
  )
  assert.match(said, /"join-refused".*"why":".*"next":"/)
  assert.match(said, /The region does not take this host in/)
})
