/** The way out of a real machine: ordinary programs, unconfigured, reach what their policy allows and nothing else. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Authority } from '../../../origin/hostd/egress/authority.ts'
import { type VmStats, vmStats } from '../../../shared/contracts/host.ts'
import {
  type EgressEntry,
  type EgressPolicy,
  type EgressSetting,
  egressLog,
} from '../../../shared/contracts/host-egress.ts'
import { FRAME } from '../../../shared/frames.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { type NameServer, startNameServer } from '../../harness/name-server.ts'
import { create, exec, exitOf, spec, textOf } from './requests.ts'

const PLACEHOLDER = 'atoll_secret_0123456789abcdef'
const SECRET = 'sk-live-42'
const COMMIT = '0123456789abcdef0123456789abcdef01234567'

let host: Daemon
let names: NameServer
let directory: string
let plainPort: number
let securePort: number
const servers: Server[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'egress-'))
  const outer = await Authority.open(directory)
  await writeFile(join(directory, 'outer.pem'), outer.pem)
  plainPort = await listen(createServer(serve))
  const SNICallback = (name: string, tell: (error: Error | null, context?: ReturnType<typeof Object>) => void): void =>
    void outer.contextOf(name, Date.now()).then((context) => tell(null, context), tell)
  securePort = await listen(createTlsServer({ SNICallback }, serve))
  names = await startNameServer({
    'api.test': '127.0.0.1',
    'other.test': '127.0.0.1',
    'inside.test': '169.254.169.254',
  })
  host = await Daemon.start({
    ATOLL_EGRESS_ALLOW_PRIVATE: 'true',
    ATOLL_EGRESS_NAME_SERVERS: names.address,
    NODE_EXTRA_CA_CERTS: join(directory, 'outer.pem'),
  })
})
after(async () => {
  await host?.stop()
  names?.close()
  for (const server of servers) server.close()
  if (directory !== undefined) await rm(directory, { recursive: true })
})

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** An API, a package index, a Debian archive without packages, and a repository with one branch. */
const serve: RequestListener = ({ url = '', headers }, outgoing) => {
  const path = url.replace(/\?.*/, '')
  if (path === '/slow') {
    outgoing.write('begun\n')
    return
  }
  if (path.endsWith('/Packages')) return void outgoing.end('')
  if (path === '/simple/nothing/')
    return void outgoing
      .setHeader('content-type', 'text/html')
      .end('<html><a href="nothing-1.0.tar.gz">nothing-1.0.tar.gz</a></html>')
  if (path === '/repository/info/refs') return void outgoing.end(`${COMMIT}\trefs/heads/main\n`)
  if (path === '/repository/HEAD') return void outgoing.end('ref: refs/heads/main\n')
  if (path === '/api') return void outgoing.end(`${headers.authorization ?? 'nothing'}\n`)
  outgoing.writeHead(404).end()
}

const policyOf = (over: Partial<EgressPolicy> = {}): EgressPolicy => ({
  mode: 'enforce',
  default_effect: 'deny',
  rules: [{ id: 'api', host: 'api.test', effect: 'allow', ports: [plainPort, securePort, 80] }],
  allow_private: true,
  secrets: [],
  ...over,
})

async function put(id: string, setting: EgressSetting): Promise<number> {
  const { status, body } = await host.send('PUT', `/v1/vms/${id}/egress`, setting)
  assert.equal(status, 200, body)
  return JSON.parse(body).revision
}

/** Everything that is in the log, and is forgotten with it. */
async function collect(): Promise<EgressEntry[]> {
  const found: EgressEntry[] = []
  for (let after = 0; ; ) {
    const { body } = await host.send('GET', `/v1/egress/log?after=${after}`)
    const { entries, next } = egressLog.parse(JSON.parse(body))
    found.push(...entries)
    if (next === after) return found
    after = next
  }
}

async function run(id: string, line: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const stream = await exec(host, id, line, { timeout_ms: 300_000 })
  return { code: exitOf(stream).exit_code, stdout: textOf(stream), stderr: textOf(stream, FRAME.stderr) }
}

test('a sandbox without a policy has no way out, its programs hear so, and the log tells of it', async () => {
  await create(host, spec('s'))
  const { stdout } = await run('s', 'curl -s -w " %{http_code}" http://api.test/; curl -sS https://api.test/ 2>&1')
  assert.match(stdout, /no way out.*\n 403/)
  assert.match(stdout, /CONNECT tunnel failed, response 403/)
  assert.deepEqual(
    (await collect()).map(({ sandbox, host, port, method, path, action, reason }) => ({
      ...{ sandbox, host, port, method, path, action, reason },
    })),
    [
      { sandbox: 's', host: 'api.test', port: 80, method: 'GET', path: '/', action: 'denied', reason: 'default' },
      {
        sandbox: 's',
        host: 'api.test',
        port: 443,
        method: 'CONNECT',
        path: undefined,
        action: 'denied',
        reason: 'default',
      },
    ],
  )
})

test('curl, pip, apt and git go out unconfigured, also as root, to what is allowed alone', async () => {
  assert.equal(await put('s', { revision: 1, policy: policyOf() }), 1)
  const api = `http://api.test:${plainPort}`
  const { stdout, stderr } = await run(
    's',
    `curl -s ${api}/api; sudo curl -s ${api}/api
     pip --disable-pip-version-check index versions nothing --index-url ${api}/simple --trusted-host api.test
     echo "deb [trusted=yes] ${api} ./" | sudo tee /etc/apt/sources.list > /dev/null
     sudo rm -rf /etc/apt/sources.list.d
     sudo apt-get -q update -o Acquire::Languages=none 2>&1 | tail -2
     git ls-remote ${api}/repository
     for url in http://other.test:${plainPort} http://inside.test http://127.0.0.2:${plainPort}; do
       curl -s -o /dev/null -w '%{http_code} ' $url/
     done`,
  )
  assert.match(stdout, /^nothing\nnothing\n/, stderr)
  assert.match(stdout, /nothing \(1\.0\)/)
  assert.match(stdout, /Reading package lists/)
  assert.match(stdout, new RegExp(`${COMMIT}\\trefs/heads/main`))
  assert.match(stdout, /403 403 403 $/)
  const entries: EgressEntry[] = []
  const denied = () => entries.filter(({ action }) => action === 'denied').map((entry) => entry.host)
  const index = () => entries.find(({ path }) => path === '/simple/nothing/')
  // An entry is written at the end of its connection, which may come after the end of what was asked for.
  await host.until('all of it is told', 60_000, async () => {
    entries.push(...(await collect()))
    return denied().length >= 3 && index() !== undefined
  })
  assert.ok(entries.every(({ sandbox, missed }) => sandbox === 's' && missed === 0))
  assert.deepEqual([index()?.action, index()?.rule], ['allowed', 'api'])
  assert.deepEqual(denied().toSorted(), ['127.0.0.2', 'inside.test', 'other.test'])
})

const secret: EgressPolicy['secrets'][number] = { placeholder: PLACEHOLDER, value: SECRET, hosts: ['api.test'] }

test('a secret is put in outside of the machine, in TLS that curl, git, Python and Node trust', async () => {
  await put('s', { revision: 2, policy: policyOf({ secrets: [secret], env: { TOLD: PLACEHOLDER } }) })
  const api = `https://api.test:${securePort}`
  const { stdout, stderr } = await run(
    's',
    `curl -sS -H "authorization: Bearer $TOLD" ${api}/api; sudo curl -sS -H 'authorization: Bearer ${PLACEHOLDER}' ${api}/api
     python3 -c "import urllib.request as u; print(u.urlopen(u.Request('${api}/api', headers={'authorization': '${PLACEHOLDER}'})).read().decode(), end='')"
     NODE_USE_ENV_PROXY=1 node -e "fetch('${api}/api', {headers: {authorization: '${PLACEHOLDER}'}}).then((r) => r.text()).then(console.log)"
     git ls-remote https://x:${PLACEHOLDER}@api.test:${securePort}/repository
     curl -s -H 'authorization: ${PLACEHOLDER}' http://api.test:${plainPort}/api
     grep -rl ${SECRET} /etc /proc/self/environ /usr/local/share 2>/dev/null | head -1`,
  )
  const lines = stdout.trim().split(/\n+/)
  assert.deepEqual(lines.slice(0, 4), [`Bearer ${SECRET}`, `Bearer ${SECRET}`, SECRET, SECRET], stderr)
  assert.deepEqual(lines.slice(4), [`${COMMIT}\tHEAD`, `${COMMIT}\trefs/heads/main`, PLACEHOLDER])
  assert.ok(!JSON.stringify(await collect()).includes(SECRET))
  assert.ok(!host.log.includes(SECRET))
})

const statsOf = async (id: string): Promise<VmStats> =>
  vmStats.parse(JSON.parse((await host.send('GET', `/v1/vms/${id}/stats`)).body))
const deadlines = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 } as const

test('a pause breaks off what is under way; resumed, forked, and after a killed daemon the way is as before', async () => {
  const before = (await statsOf('s')).egress_down_bytes ?? 0
  const slow = exec(host, 's', `curl -sS http://api.test:${plainPort}/slow > /tmp/slow 2>&1; echo $? > /tmp/code`)
  await host.until('it has begun', 60_000, async () => ((await statsOf('s')).egress_down_bytes ?? 0) >= before + 6)
  assert.equal((await host.send('POST', '/v1/vms/s/pause')).status, 200)
  await slow
  assert.equal((await host.send('POST', '/v1/vms/s/resume', deadlines)).status, 200)
  const ask = `curl -sS -H "authorization: $TOLD" https://api.test:${securePort}/api`
  const { stdout } = await run('s', `until [ -s /tmp/code ]; do sleep 0.1; done; ${ask}`)
  assert.equal(stdout, `${SECRET}\n`)
  const forked = await host.send('POST', '/v1/vms/s/fork', { children: [spec('child')] })
  assert.equal(forked.status, 200, forked.body)
  await host.signal('SIGKILL')
  await host.launch()
  const { vms } = await host.inventory()
  assert.deepEqual(vms.map(({ id, egress_revision }) => [id, egress_revision]).toSorted(), [
    ['child', 0],
    ['s', 2],
  ])
  for (const id of ['s', 'child']) assert.equal((await run(id, ask)).stdout, `${SECRET}\n`)
  assert.equal((await host.send('DELETE', '/v1/vms/child')).status, 204)
})

test('an older word changes nothing, and a newer one closes at once', async () => {
  assert.equal(await put('s', { revision: 1, policy: null }), 2)
  const before = (await statsOf('s')).egress_down_bytes ?? 0
  const slow = run('s', `curl -sS http://api.test:${plainPort}/slow`)
  await host.until('it has begun', 60_000, async () => ((await statsOf('s')).egress_down_bytes ?? 0) >= before + 6)
  assert.equal(await put('s', { revision: 3, policy: null }), 3)
  assert.notEqual((await slow).code, 0)
  assert.match((await run('s', `curl -s http://api.test:${plainPort}/api`)).stdout, /no way out/)
  assert.equal((await run('s', 'env | grep -c -e _CERT -e TOLD; ls /usr/local/share/ca-certificates')).stdout, '0\n')
})
