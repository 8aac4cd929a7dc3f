/** The commands of operators, given what is missing or wrong: a sentence that names it, a status, and never a trace. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const TOKEN = 'a-token-of-the-operators'

/** What it said, and that it failed without a trace. */
function refusal(script: string, words: string[], env: Record<string, string>, folder: string): Promise<string> {
  const setting = { PATH: process.env.PATH, INIT_CWD: folder, ...env }
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(ROOT, 'infra/edge', script), ...words],
      { env: setting },
      (err, stdout, stderr) => {
        if (err?.code !== 1 || /ZodError|\n {4}at /.test(stderr)) reject(new Error(`${err?.code}: ${stdout}${stderr}`))
        else resolve(stderr)
      },
    )
  })
}

test('an operator who forgot or mistyped something is told what, and nothing is changed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-operator-'))
  t.after(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'words.json'), 'no json')
  await writeFile(join(folder, 'region.json'), '{"code": "EU"}')
  const asked: string[] = []
  const region = { code: 'eu1', name: 'eu', status: 'active', url: 'http://127.0.0.1', directUrl: 'http://127.0.0.1' }
  const place = { lat: 1, lon: 1, continents: ['EU'], weight: 1, failover: [] }
  const registry = { version: 1, default: 'eu1', regions: [{ ...region, ...place }] }
  const edge = createServer((request, response) => {
    asked.push(request.method ?? '')
    const isKnown = request.headers.authorization === `Bearer ${TOKEN}`
    const refused = { error: { message: 'The token is another one.', next: 'Use the right one.' } }
    response.writeHead(isKnown ? 200 : 401).end(JSON.stringify(isKnown ? registry : refused))
  })
  await new Promise<void>((resolve) => edge.listen(0, '127.0.0.1', resolve))
  t.after(() => edge.close())
  const url = `http://127.0.0.1:${(edge.address() as AddressInfo).port}`
  const good = { ATOLL_EDGE_URL: url, ATOLL_INTERNAL_TOKEN: TOKEN }

  const cases: [script: string, words: string[], env: Record<string, string>, says: RegExp[]][] = [
    [
      'registry.ts',
      [],
      {},
      [/ATOLL_EDGE_URL: must be the address/, /ATOLL_INTERNAL_TOKEN: must be given/, /regions\.md/],
    ],
    ['registry.ts', [], { ...good, ATOLL_INTERNAL_TOKEN: 'short' }, [/ATOLL_INTERNAL_TOKEN.*16 characters/]],
    ['registry.ts', [], { ...good, ATOLL_INTERNAL_TOKEN: `${TOKEN}-2` }, [/401.*The token is another one. Use the/]],
    ['registry.ts', [], { ...good, ATOLL_EDGE_URL: 'http://127.0.0.1:1' }, [/Nothing answers at/]],
    ['registry.ts', ['set', 'eu1', 'weight=abc'], good, [/The region eu1 cannot be this/, /weight: .*number/]],
    ['registry.ts', ['set', 'eu1'], good, [/set CODE FIELD=VALUE/]],
    ['registry.ts', ['set', 'eu9', 'weight=1'], good, [/There is no region eu9/]],
    ['registry.ts', ['grow'], good, [/npm run regions -- add FILE/]],
    ['registry.ts', ['save'], good, [/npm run regions -- save FILE/]],
    ['registry.ts', ['save', 'nowhere/regions.json'], good, [/nowhere\/regions\.json was not written/]],
    ['registry.ts', ['add', 'nowhere.json'], good, [/nowhere\.json cannot be read/]],
    ['registry.ts', ['add', 'words.json'], good, [/words\.json is not JSON/]],
    ['registry.ts', ['add', 'region.json'], good, [/region\.json describes no region/, / {2}code: /, / {2}weight: /]],
    ['make-signing-key.ts', [], {}, [/signing-key -- FILE/]],
    ['make-signing-key.ts', ['region.json'], {}, [/No key was made/, /must be a new file/]],
    ['make-signing-key.ts', ['nowhere/key.json'], {}, [/No key was made/]],
  ]
  const said = await Promise.all(cases.map(([script, words, env]) => refusal(script, words, env, folder)))
  for (const [at, [script, words, , says]] of cases.entries())
    for (const pattern of says) assert.match(said[at] ?? '', pattern, `${script} ${words.join(' ')}`)
  assert.ok(!asked.includes('PUT'))
  assert.deepEqual(await readdir(folder), ['region.json', 'words.json'])
})
