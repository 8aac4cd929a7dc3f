/**
 * `npm test`: everything that is not a long soak, against real machines, a real edge and real PostgreSQL.
 *
 * `npm test -- unit controller` runs only the files whose path has one of these words in it.
 * The last line is a count, and the exit status says whether all passed.
 */
import { globSync, mkdirSync, rmSync } from 'node:fs'
import { relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { buildImage } from '../infra/image/build.ts'
import { IMAGE_PACKAGES } from '../infra/image/packages.ts'
import { readConfig } from '../infra/local/config.ts'
import { HOST_PACKAGES } from '../infra/local/host-packages.ts'
import { layoutOf, REPOSITORY, shortHash } from '../infra/local/layout.ts'
import { progressTo } from '../infra/local/progress.ts'
import { ensurePackages } from '../infra/setup/packages.ts'

const TEST_PACKAGES = ['git', 'postgresql', 'e2fsprogs', 'xfsprogs']
/** How long one file may take, on a machine that is busy with other things too. */
const FILE_TIMEOUT_MS = 900_000

/**
 * In this order, each file with the first that it lies in, two at a time: one waits while the other one works. A whole stack has the two
 * cores of a small machine, and its memory, for itself.
 */
const KINDS = [
  { folders: ['test/unit/', 'test/contract/'], concurrency: 2 },
  {
    folders: ['test/integration/controller/', 'test/integration/edge/', 'test/chaos/controller/', 'test/chaos/edge/'],
    concurrency: 2,
  },
  { folders: ['test/integration/guest/', 'test/integration/hostd/', 'test/integration/processes/'], concurrency: 2 },
  { folders: ['test/integration/stack/', 'test/chaos/'], concurrency: 1 },
]
/** Begun before the others of their kind, so that no core is without work while the last one runs. */
const LONGEST = new Set([
  'test/integration/controller/embedded.test.ts',
  'test/integration/controller/debian-15.test.ts',
  'test/chaos/controller/kill-anytime.test.ts',
])
const SLOWEST_SHOWN = 15

const words = process.argv.slice(2)
const config = readConfig(process.env)
const layout = layoutOf(config.stateDir, config.cacheDir, config.runDir)
const { step } = progressTo(process.stderr, () => performance.now())

await step('Debian packages', (log) => ensurePackages([...HOST_PACKAGES, ...IMAGE_PACKAGES, ...TEST_PACKAGES], log))
const imageDir = await step('guest image', (log) => buildImage({ cacheDir: layout.imageCacheDir, log }))

// One place for everything that tests write, open to unprivileged users, so that what a killed run left goes with the next.
const scratch = `/tmp/atoll-${shortHash(REPOSITORY)}`
rmSync(scratch, { recursive: true, force: true })
mkdirSync(scratch, { recursive: true, mode: 0o755 })
Object.assign(process.env, {
  TMPDIR: scratch,
  ATOLL_IMAGE_DIR: imageDir,
  ATOLL_TEMPLATE_DIR: layout.templateCacheDir,
  ATOLL_CACHE_DIR: config.cacheDir,
  // Two cores are for the tests, not for what might be asked for next; the tests of the pool set their own.
  ATOLL_POOL_MEMORY_MIB: '0',
  ATOLL_TEST_DEADLINE_MS: String(FILE_TIMEOUT_MS + 15_000),
})

const files = globSync('test/**/*.test.ts', { cwd: REPOSITORY }).sort()
const kindOf = (file: string) => KINDS.find(({ folders }) => folders.some((folder) => file.startsWith(folder)))
const homeless = files.filter((file) => kindOf(file) === undefined)
if (homeless.length > 0)
  throw new Error(`These tests are of no kind, so nothing would run them: ${homeless.join(', ')}`)

const count = { passed: 0, failed: 0 }
const took: { file: string; seconds: number }[] = []
const isChosen = (file: string): boolean => words.length === 0 || words.some((word) => file.includes(word))
for (const kind of KINDS) {
  const chosen = files.filter((file) => kindOf(file) === kind && isChosen(file))
  chosen.sort((one, other) => Number(LONGEST.has(other)) - Number(LONGEST.has(one)))
  if (chosen.length > 0) await runFiles(chosen, kind.concurrency)
}
rmSync(scratch, { recursive: true, force: true })
took.sort((one, other) => other.seconds - one.seconds)
for (const { file, seconds } of took.slice(0, SLOWEST_SHOWN))
  console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`)

if (count.passed + count.failed === 0) {
  console.log('No test ran: no file has one of these words in its path.')
  process.exit(1)
}
console.log(`${count.passed} passed, ${count.failed} failed`)
process.exit(count.failed === 0 ? 0 : 1)

async function runFiles(files: string[], concurrency: number): Promise<void> {
  const stream = run({
    files,
    concurrency,
    cwd: REPOSITORY,
    timeout: FILE_TIMEOUT_MS,
    execArgv: ['--import', './test/harness/end-in-time.ts'],
  })
  // A file that fails to load is reported as a failed test of its own name, so nothing is lost in this count.
  stream.on('test:pass', (event) => {
    if (event.details.type !== 'suite' && event.skip === undefined) count.passed += 1
  })
  // A suite fails with its tests, which are counted themselves, or by its own hooks and time.
  stream.on('test:fail', ({ details }) => {
    if (details.type !== 'suite' || failureTypeOf(details.error) !== 'subtestsFailed') count.failed += 1
  })
  stream.on('test:summary', ({ file, duration_ms: ms }) => {
    if (file !== undefined) took.push({ file: relative(REPOSITORY, file), seconds: ms / 1_000 })
  })
  stream.compose(new spec()).pipe(process.stdout, { end: false })
  await new Promise<void>((resolve, reject) => stream.once('end', resolve).once('error', reject))
}

/** Hoisted, because the tests run before this line is reached. */
function failureTypeOf(error: Error): unknown {
  return Reflect.get(error, 'failureType')
}
