/** How our code reads, held by a test whose message names the fix. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { REPOSITORY } from '../../infra/local/layout.ts'

const FILE_LINES_MAX = 300
/** Tables that are one on purpose: a reader must find every limit, and every error, in one place. */
const TABLES = new Set(['shared/limits.ts', 'shared/errors.ts'])

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: REPOSITORY,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|go|mjs|sh)$/.test(file))
const read = (file: string): string => readFileSync(`${REPOSITORY}/${file}`, 'utf8')
const sources = files.filter((file) => !file.startsWith('test/'))

test('types, walls, lint and format are in order (npm run check)', () => {
  execFileSync(process.execPath, [`${REPOSITORY}/infra/setup/check.ts`], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'inherit', 'pipe'],
  })
})

test('no source file grew past what one story needs', () => {
  const long = sources.filter((file) => !TABLES.has(file) && read(file).split('\n').length > FILE_LINES_MAX)
  assert.deepEqual(long, [], `Cut these files along the things they do: ${long.join(', ')}`)
})

test('no work is left open in the code, and no drawer collects what has no name', () => {
  const open = sources.filter((file) => /\b(TODO|FIXME|XXX)\b|not implemented/.test(read(file)))
  assert.deepEqual(open, [], `Do it, or write it in the README's list of what is missing: ${open.join(', ')}`)
  const drawers = files.filter((file) => /(^|\/)(utils?|common|helpers?|managers?|misc)(\/|\.)/.test(file))
  assert.deepEqual(drawers, [], `Name these for what they do: ${drawers.join(', ')}`)
})

test('no escape from the type checker or the linter', () => {
  const escapes = /\bas any\b|: any\b|<any>|@ts-(ignore|expect-error|nocheck)|biome-ignore/
  const escaping = files.filter((file) => file !== 'test/unit/tidy.test.ts' && escapes.test(read(file)))
  assert.deepEqual(escaping, [], `Give these the type they mean: ${escaping.join(', ')}`)
})

test('the environment is read only where a process reads its settings', () => {
  const allowed = /(^|\/)config\.ts$|^infra\/|^origin\/.*\/main\.ts$/
  const readers = sources.filter((file) => !allowed.test(file) && /process\.env\b/.test(read(file)))
  assert.deepEqual(readers, [], `Pass what these need as an argument: ${readers.join(', ')}`)
})

test('every file opens by saying what it is for', () => {
  const silent = sources.filter((file) => file.endsWith('.ts') && !/^(#!.*\n)?\/\*\*/.test(read(file)))
  assert.deepEqual(silent, [], `Begin these with a docstring: ${silent.join(', ')}`)
})

// A lock file with addresses installs only where those addresses are reachable.
test('the lock file names packages and their integrity, but no download addresses', () => {
  assert.ok(
    !read('package-lock.json').includes('"resolved": "http'),
    'Run npm with omit-lockfile-registry-resolved=true.',
  )
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'))
  const versions = Object.entries<string>({ ...dependencies, ...devDependencies, ...optionalDependencies })
  assert.deepEqual(
    versions.filter(([, version]) => !/^\d/.test(version)),
    [],
    'Pin these to one version.',
  )
})
