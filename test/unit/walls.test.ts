/** The walls between the rooms: what must not be imported does not compile. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { REPOSITORY } from '../../infra/local/layout.ts'

type Probe = { room: string; breaks: string; code: string; error: RegExp }

const NOT_FOUND = /TS(2304|2307|2552|2580|2584|2591|2882)/
/** "File is not listed within the file list of project": the room's references do not name that folder. */
const NOT_REFERENCED = /TS6307/

const probes: Probe[] = [
  {
    room: 'shared',
    breaks: 'uses Node',
    code: "import 'node:fs'\nimport * as fs from 'node:fs'\nexport const x = fs",
    error: NOT_FOUND,
  },
  { room: 'shared', breaks: 'does I/O', code: "export const x = fetch('http://a')", error: NOT_FOUND },
  { room: 'shared', breaks: 'reads the environment', code: 'export const x = process.env', error: NOT_FOUND },
  { room: 'edge', breaks: 'uses Node', code: "import * as fs from 'node:fs'\nexport const x = fs", error: NOT_FOUND },
  { room: 'origin/controller', breaks: 'uses Workers types', code: 'export type X = KVNamespace', error: NOT_FOUND },
  {
    room: 'origin/controller',
    breaks: 'imports hostd',
    code: `import * as other from '${REPOSITORY}/origin/hostd/config.ts'\nexport const x = other`,
    error: NOT_REFERENCED,
  },
  {
    room: 'origin/hostd',
    breaks: 'imports the controller',
    code: `import * as other from '${REPOSITORY}/origin/controller/config.ts'\nexport const x = other`,
    error: NOT_REFERENCED,
  },
  {
    room: 'edge',
    breaks: 'imports the controller',
    code: `import * as other from '${REPOSITORY}/origin/controller/config.ts'\nexport const x = other`,
    error: NOT_REFERENCED,
  },
]

for (const { room, breaks, code, error } of probes) {
  test(`${room} does not compile when it ${breaks}`, async () => {
    const output = await compile(room, code)
    assert.match(output, error)
  })
}

test('a probe that breaks no wall compiles', async () => {
  for (const room of new Set(probes.map((probe) => probe.room)))
    assert.equal(await compile(room, 'export const x = 1'), '')
})

/** What the compiler says of one file under the settings of a room. */
async function compile(room: string, code: string): Promise<string> {
  const dir = await mkdtemp(`${tmpdir()}/wall-`)
  try {
    const references = [{ path: `${REPOSITORY}/shared` }]
    const settings = {
      extends: `${REPOSITORY}/${room}/tsconfig.json`,
      compilerOptions: {
        rootDir: '/',
        outDir: `${dir}/out`,
        typeRoots: [`${REPOSITORY}/node_modules/@types`, `${REPOSITORY}/node_modules`],
      },
      include: [],
      files: [`${dir}/probe.ts`],
      references,
    }
    await writeFile(`${dir}/package.json`, '{"type":"module"}')
    await writeFile(`${dir}/probe.ts`, code)
    await writeFile(`${dir}/tsconfig.json`, JSON.stringify(settings))
    const tsc = promisify(execFile)(`${REPOSITORY}/node_modules/.bin/tsc`, ['--project', dir])
    return await tsc.then(
      ({ stdout }) => stdout,
      (failure: { stdout: string }) => failure.stdout,
    )
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
