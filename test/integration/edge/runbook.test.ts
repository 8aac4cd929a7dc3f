/** The runbook, run: each of its commands as it is written, against two regions, a third one that joins, and the real edge. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { embedded } from '../controller/support/databases.ts'
import { INTERNAL, OPERATOR, PEPPER, startRegion, type TestRegion, until } from '../controller/support/region.ts'
import { PUBLIC_KEY, registryOf, SECRETS } from './stage/edge-stage.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const EDGE_JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })
const run = promisify(execFile)

/** The commands below a heading, in order. */
async function commandsOf(file: string, heading: string): Promise<string[]> {
  const page = await readFile(join(ROOT, 'infra/runbook', file), 'utf8')
  const section = page.split(/^## /m).find((one) => one.startsWith(`${heading}\n`))
  assert.ok(section, `${file} has no "${heading}"`)
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, command = '']) => command)
}

async function setStage(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-runbook-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const server = await embedded.open()
  t.after(() => server.remove())
  const edge = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    secrets: { ...SECRETS, KEY_PEPPER: PEPPER, INTERNAL_TOKEN: INTERNAL },
  })
  t.after(() => edge.stop())
  const start = async (code: string, env: Record<string, string>): Promise<TestRegion> => {
    const setting = { ATOLL_EDGE_JWKS: EDGE_JWKS, ATOLL_QUOTA_URL: edge.url.origin, ...env }
    const region = await startRegion(await server.createDatabase(), { code, env: setting })
    t.after(() => region.close())
    return region
  }
  const home = await start('usw1', { ATOLL_EDGE_URL: edge.url.origin })
  const eu1 = await start('eu1', { ATOLL_HOME_URL: home.url })
  const ap1 = await start('ap1', { ATOLL_HOME_URL: home.url })
  await edge.putKv('CONFIG', 'regions:v1', registryOf(home, eu1))
  await until('the edge to hear of the tiers', async () => (await edge.readKv('CONFIG', 'tiers:v1')) !== null)
  await until(
    'the regions to know the key',
    async () => (await ap1.ask('/v1/sandboxes', { key: home.key })).status === 200,
  )
  const shell = async (command: string): Promise<string> => {
    const { stdout } = await run(
      'bash',
      ['-euo', 'pipefail', '-c', command.replaceAll('npm run', `npm --prefix ${ROOT} run`)],
      {
        cwd: folder,
        timeout: 300_000,
        env: {
          ...process.env,
          PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
          ATOLL_EDGE_URL: edge.url.origin,
          ATOLL_INTERNAL_TOKEN: INTERNAL,
          ATOLL_OPERATOR_TOKEN: OPERATOR,
          ATOLL_API_KEY: home.key,
          REGION_URL: ap1.url,
          OTHER_REGION_URL: home.url,
          HOME_URL: home.url,
        },
      },
    )
    return stdout
  }
  const section = async (file: string, heading: string): Promise<string[]> => {
    const said: string[] = []
    for (const command of await commandsOf(file, heading)) said.push(await shell(command))
    return said
  }
  const create = async (region: string) =>
    fetch(new URL('/v1/sandboxes', edge.url), {
      method: 'POST',
      body: '{}',
      headers: { authorization: `Bearer ${home.key}`, 'x-region': region },
    })
  return { folder, edge, home, ap1, shell, section, create }
}

test('every command of the runbook of regions and of a lost KV does what it says', async (t) => {
  const { folder, edge, home, ap1, shell, section, create } = await setStage(t)
  const about = {
    code: 'ap1',
    name: 'sydney',
    status: 'active',
    url: ap1.url,
    directUrl: ap1.url,
    lat: -33.9,
    lon: 151.2,
    continents: ['OC'],
    weight: 0.001,
    failover: ['usw1'],
  }
  await writeFile(join(folder, 'region.json'), JSON.stringify(about))

  const added = (await section('regions.md', 'Add a region')).join('\n')
  assert.match(added, /"id":"sbx_ap1_/)
  assert.match(added, /version 4, home usw1/)
  assert.equal((await create('ap1')).status, 201)

  // The last step takes the region out, which is for when it is empty.
  const [drain = '', cordon = '', look = '', takeOut = ''] = await commandsOf('regions.md', 'Drain a region')
  await shell(drain)
  assert.equal((await create('ap1')).status, 503)
  assert.equal((await ap1.ask('/v1/sandboxes', { method: 'POST', key: home.key, body: {} })).status, 201)
  await shell(cordon)
  await until(
    'the machines to take nothing new',
    async () => (await ap1.ask('/v1/sandboxes', { method: 'POST', key: home.key, body: {} })).status === 503,
  )
  assert.match(await shell(look), /"running":\d/)
  await shell('npm run --silent regions -- set ap1 status=active')

  await ap1.running.stop()
  const dead = await section('regions.md', 'A region is dead')
  assert.match(dead.join('\n'), /"region":"ap1","tenants":\d/)
  await shell(takeOut)
  assert.equal((await create('ap1')).status, 400)

  await edge.putKv('CONFIG', 'regions:v1', null)
  await edge.putKv('CONFIG', 'tiers:v1', null)
  await section('edge.md', 'KV was lost, or is new')
  await until('tiers in KV', async () => (await edge.readKv('CONFIG', 'tiers:v1')) !== null)
  assert.equal((await create('usw1')).status, 201)
})

test('a mistake is refused in words, and changes nothing', async (t) => {
  const { shell } = await setStage(t)
  const mistakes = [
    ['set ap9 weight=1', /There is no region ap9/],
    ['set eu1 code=eu2', /nothing that can be set/],
    ['set eu1 status=asleep', /status/],
    ['remove eu1', /may go only after it was down/],
    ['set usw1 status=down', /keeps the accounts/],
    ['explode', /npm run regions/],
  ] as const
  for (const [words, said] of mistakes)
    await assert.rejects(shell(`npm run --silent regions -- ${words}`), (error: Error & { stderr?: string }) => {
      assert.match(error.stderr ?? '', said)
      return true
    })
  assert.match(await shell('npm run --silent regions'), /version 1/)
})

test('a signing key is made once, readable by nobody else, and its public half has nothing of the private one', async (t) => {
  const { shell } = await setStage(t)
  const [command = ''] = await commandsOf('keys.md', 'The key of the edge')
  await shell(command)
  const said = await shell('stat -c %a edge-key.json; cat edge-key.json edge-key.public.json')
  const [mode, privateHalf = '', publicHalf = ''] = said.replace('}{', '}\n{').split('\n')
  assert.equal(mode, '600')
  const { d, ...rest } = JSON.parse(privateHalf)
  assert.equal(typeof d, 'string')
  assert.deepEqual(JSON.parse(publicHalf), rest)
  await assert.rejects(shell(command))
})
