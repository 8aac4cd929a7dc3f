/**
 * A region and a real machine, with package registries of the test's own in the place of the public ones: npm and pip install unconfigured
 * through the way out, in a sandbox and in a build, and a secret of the tenant's is heard by whom it is for, in TLS, and by nobody inside.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Authority } from '../../../origin/hostd/egress/authority.ts'
import { type NameServer, startNameServer } from '../../harness/name-server.ts'
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'
import { type Answer, at, textAt, until } from '../controller/support/region.ts'

/** Of this test run alone, because the ports are those that everybody uses. */
const ADDRESS = `127.${1 + (process.pid % 250)}.${1 + (Math.floor(process.pid / 250) % 250)}.4`
const HOSTS = ['registry.npmjs.org', 'pypi.org', 'files.pythonhosted.org']
const SPEC = { vcpu: 1, memoryMib: 512, diskMib: 1_024 }
const BUILD_MS = 120_000
const [NPM_TOKEN, INDEX_TOKEN] = ['npm_of-the-tenant', 'index-of-the-tenant']

/** Both packages are made where the tools are that make them. */
const MAKE_PACKAGES = `
  mkdir -p make/package make/atoll_wheel-1.0.dist-info && cd make
  echo '{"name": "atoll-left", "version": "1.0.0"}' > package/package.json
  echo 'module.exports = "from the registry"' > package/index.js
  tar czf left.tgz package
  echo 'WORD = "from the index"' > atoll_wheel.py
  cd atoll_wheel-1.0.dist-info
  printf 'Metadata-Version: 2.1\\nName: atoll-wheel\\nVersion: 1.0\\n' > METADATA
  printf 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n' > WHEEL
  printf 'atoll_wheel.py,,\\natoll_wheel-1.0.dist-info/METADATA,,\\natoll_wheel-1.0.dist-info/WHEEL,,\\natoll_wheel-1.0.dist-info/RECORD,,\\n' > RECORD
  cd .. && python3 -m zipfile -c wheel.zip atoll_wheel.py atoll_wheel-1.0.dist-info`

describe('packages through the way out of a machine', { timeout: 600_000 }, () => {
  let real: RealRegion
  let names: NameServer
  let directory: string
  let server: Server
  let id: string
  let build: string
  const heard: string[] = []
  const files: Record<'left' | 'wheel', Buffer> = { left: Buffer.alloc(0), wheel: Buffer.alloc(0) }

  const serve: RequestListener = ({ url = '', headers }, response) => {
    const place = `${headers.host}${url}`
    heard.push(`${place} ${headers.authorization ?? '-'}`)
    const body = answerTo(place)
    if (body === undefined) return void response.writeHead(404).end('{}')
    response.setHeader('content-type', place.startsWith('pypi') ? 'text/html' : 'application/json')
    response.end(body)
  }
  const answerTo = (place: string): string | Buffer | undefined => {
    switch (place) {
      case 'registry.npmjs.org/atoll-left':
        return JSON.stringify(packageRecord(files.left))
      case 'registry.npmjs.org/atoll-left/-/atoll-left-1.0.0.tgz':
        return files.left
      case 'pypi.org/simple/atoll-wheel/':
        return `<a href="https://${HOSTS[2]}/atoll_wheel-1.0-py3-none-any.whl">atoll_wheel-1.0-py3-none-any.whl</a>`
      case 'files.pythonhosted.org/atoll_wheel-1.0-py3-none-any.whl':
        return files.wheel
    }
    return undefined
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'packages-'))
    const outer = await Authority.open(directory)
    await writeFile(join(directory, 'outer.pem'), outer.pem)
    server = createServer(
      {
        SNICallback: (name, tell) =>
          void outer.contextOf(name, Date.now()).then((context) => tell(null, context), tell),
      },
      serve,
    )
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(443, ADDRESS, resolve))
    names = await startNameServer(Object.fromEntries(HOSTS.map((name) => [name, ADDRESS])))
    real = await startRealRegion(
      { ATOLL_EGRESS_NAME_SERVERS: names.address, NODE_EXTRA_CA_CERTS: join(directory, 'outer.pem'), ...PRIVATE },
      PRIVATE,
    )
    const [registry, ...index] = HOSTS
    const npm = { name: 'npm', value: NPM_TOKEN, hosts: [registry], expose_as_env: 'NPM_TOKEN' }
    await post('/v1/egress/secrets', npm)
    id = await createSmall(real.region, { egress: { allow: HOSTS } })
    // It is one of a user to whom the sandbox does not belong, so that only the binding gives it to it.
    const other = { name: 'index', value: INDEX_TOKEN, hosts: index, external_user_id: 'somebody-else' }
    const secret_id = textAt((await post('/v1/egress/secrets', other)).json, 'data', 'id')
    await post('/v1/egress/bindings', { secret_id, resource_id: id, expose_as_env: 'INDEX_TOKEN' })
    await run(MAKE_PACKAGES)
    files.left = await fetched('/workspace/make/left.tgz')
    files.wheel = await fetched('/workspace/make/wheel.zip')
    // It goes on in a machine of its own while the tests use the other one.
    await post('/v1/sandbox-templates', { name: 'left' })
    const steps = [{ run: 'find / -path "*node_modules/atoll-left/index.js" | grep .' }]
    const build_spec = { ...SPEC, packages: { npm: ['atoll-left'] }, steps }
    build = textAt((await post('/v1/sandbox-templates/left/builds', { build_spec })).json, 'data', 'id')
  })
  after(async () => {
    await real?.stop()
    names?.close()
    server?.close()
    if (directory !== undefined) await rm(directory, { recursive: true })
  })

  const post = async (path: string, body: object): Promise<Answer> => {
    const answer = await real.region.ask(path, { method: 'POST', body })
    assert.ok(answer.status < 300, answer.text)
    return answer
  }
  const run = async (command: string): Promise<string> => {
    const { json } = await post(`/v1/sandboxes/${id}/exec`, { command, timeout: 120 })
    assert.equal(at(json, 'data', 'exit_code'), 0, JSON.stringify(json))
    return textAt(json, 'data', 'stdout')
  }
  const fetched = async (path: string): Promise<Buffer> => {
    const { url, key } = real.region
    const answer = await fetch(`${url}/v1/sandboxes/${id}/files${path}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    assert.equal(answer.status, 200)
    return Buffer.from(await answer.arrayBuffer())
  }
  const heardOf = (place: string): string[] =>
    heard.filter((line) => line.startsWith(`${place} `)).map((line) => line.slice(place.length + 1))

  test('a secret that is bound to a sandbox is heard by its hosts in TLS, and nobody inside knows it', async () => {
    const said = await run(`
      curl -sS -o /dev/null -H "authorization: Bearer $INDEX_TOKEN" https://pypi.org/whoami
      curl -sS -o /dev/null -H "authorization: Bearer $INDEX_TOKEN" https://registry.npmjs.org/whoami
      env; sudo cat /proc/*/environ | tr '\\0' '\\n'`)
    assert.deepEqual(heardOf('pypi.org/whoami'), [`Bearer ${INDEX_TOKEN}`])
    assert.match(String(heardOf('registry.npmjs.org/whoami')), /^Bearer atoll_secret_[0-9a-f]{48}$/)
    assert.ok(said.includes('INDEX_TOKEN=atoll_secret_'))
    assert.ok(!said.includes(INDEX_TOKEN) && !said.includes(NPM_TOKEN))
  })

  test('npm installs from its registry, with the token of the tenant that the sandbox does not have', async () => {
    const said = await run(`
      echo '//registry.npmjs.org/:_authToken=\${NPM_TOKEN}' > .npmrc
      npm install --no-audit --no-fund atoll-left >&2 && cat node_modules/atoll-left/index.js`)
    assert.match(said, /from the registry/)
    assert.ok(heardOf('registry.npmjs.org/atoll-left').includes(`Bearer ${NPM_TOKEN}`))
  })

  test('pip installs from its index', async () => {
    const said = await run(
      'pip install -q --no-compile atoll-wheel >&2 && python3 -c "import atoll_wheel; print(atoll_wheel.WORD)"',
    )
    assert.equal(said, 'from the index\n')
  })

  test('a build installs its packages of npm from there, too', async () => {
    let record: unknown
    await until(
      'the end of the build',
      async () => {
        record = at((await real.region.ask(`/v1/sandbox-template-builds/${build}`)).json, 'data')
        return ['ready', 'failed', 'cancelled'].includes(textAt(record, 'state'))
      },
      BUILD_MS,
    )
    assert.equal(at(record, 'state'), 'ready', JSON.stringify(record))
  })
})

/** For the machine and for the region: the registries of this test are on this machine. */
const PRIVATE = { ATOLL_EGRESS_ALLOW_PRIVATE: 'true' }

/** What npm's registry says of a package. */
const packageRecord = (tarball: Buffer) => ({
  name: 'atoll-left',
  'dist-tags': { latest: '1.0.0' },
  versions: {
    '1.0.0': {
      name: 'atoll-left',
      version: '1.0.0',
      dist: {
        tarball: 'https://registry.npmjs.org/atoll-left/-/atoll-left-1.0.0.tgz',
        integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
      },
    },
  },
})
