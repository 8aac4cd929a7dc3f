/** What the JavaScript of a context promises to its cells. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../../harness/until.ts'
import { Driver } from './drive.ts'

const driver = new Driver('javascript')
after(() => driver.end())

const text = async (code: string): Promise<string | undefined> => (await driver.run(code)).results[0]?.text

test('names survive from call to call, may be declared again, and the last expression is the result', async () => {
  await driver.run('const x = [1]; let y = 1; function f() { return x }; class K {}')
  assert.equal(await text('[f(), y, typeof K]'), "[ [ 1 ], 1, 'function' ]")
  assert.equal(await text('const x = 2; x'), '2')
  assert.deepEqual((await driver.run('undefined')).results, [])
  for (const [code, shown] of [
    ['10n', '10n'],
    ['-0', '-0'],
    ['Symbol("s")', 'Symbol(s)'],
    ['null', 'null'],
    ['({a: 1})', '{ a: 1 }'],
  ])
    assert.equal(await text(code ?? ''), shown)
})

test('await may stand at the top level', async () => {
  assert.equal(await text('await new Promise((resolve) => setTimeout(resolve, 10, 7))'), '7')
  assert.equal(await text('const later = await Promise.resolve(8); later'), '8')
})

test('modules are imported and required as in a program, also those of the working folder', async () => {
  writeFileSync(join(driver.folder, 'mine.mjs'), 'export default 1; export const two = 2')
  assert.equal(
    await text(
      'import path, { join as j } from "node:path"; import * as os from "os"; [typeof path.join, j("a"), typeof os.cpus]',
    ),
    "[ 'function', 'a', 'function' ]",
  )
  assert.equal(await text('import one, { two } from "./mine.mjs"; [one, two]'), '[ 1, 2 ]')
  assert.equal(await text('(await import("./mine.mjs")).two'), '2')
  assert.equal(await text('require("fs").existsSync("mine.mjs")'), 'true')
  assert.equal(await text('"import x from y"'), "'import x from y'")
  assert.equal((await driver.run('import nothing from "nowhere"')).error?.name, 'Error')
})

test('a value is shown in every form that it offers', async () => {
  const { results } = await driver.run(`
    display({ 'text/html': '<b>', 'text/plain': 'b' }, { raw: true });
    ({ [Symbol.for('Jupyter.display')]: () => ({ 'image/png': new Uint8Array([1]), 'application/json': [1], 'text/html': 5 }) })`)
  assert.deepEqual(results[0], { text: 'b', html: '<b>', is_main_result: false, is_truncated: false })
  const { text: _, ...forms } = results[1] ?? { text: '' }
  assert.deepEqual(forms, { png: 'AQ==', json: [1], is_main_result: true, is_truncated: false })
})

test('an error is data, without the frames of the driver, and poisons nothing', async () => {
  await driver.run('function fails() { throw new TypeError("bad") }')
  const { error, exitCode } = await driver.run('fails()')
  assert.deepEqual([error?.name, error?.value, exitCode], ['TypeError', 'bad', 1])
  assert.match(
    error?.traceback.join('\n') ?? '',
    /^TypeError: bad\n {4}at fails \(cell-\d+\.js:1:26\)\n {4}at cell-\d+\.js:1:1$/,
  )
  const syntax = await driver.run('let a = ;')
  assert.match(syntax.error?.traceback.join('\n') ?? '', /^SyntaxError: Unexpected token ';'\n {4}at cell-\d+\.js:1:9$/)
  assert.deepEqual((await driver.run('throw 5')).error, { name: 'Thrown', value: '5', traceback: ['Thrown: 5'] })
  const awaited = await driver.run('await Promise.reject(new RangeError("later"))')
  assert.equal(awaited.error?.name, 'RangeError')
  assert.equal(await text('1'), '1')
})

test('what fails later, with nobody waiting for it, is printed and ends nothing', async () => {
  await driver.run('setTimeout(() => { throw new Error("late") }, 1); Promise.reject(new Error("alone"));')
  await until('it is printed', () => driver.stderr.includes('late') && driver.stderr.includes('alone'))
  assert.equal(await text('2'), '2')
})

test('leaving the process ends the call with the code, and the session lives on', async () => {
  await driver.run('var kept = 1')
  assert.equal((await driver.run('process.exit(3)')).exitCode, 3)
  assert.equal((await driver.run('setTimeout(() => process.exit(4), 1); await new Promise(() => {})')).exitCode, 4)
  assert.equal(await text('kept'), '1')
})

test('an interrupt ends the call and not the session, and is nothing between two calls', async () => {
  for (const endless of ['for (;;);', 'await new Promise(() => {})', 'new Promise(() => {}); for (;;);']) {
    const running = driver.run(`console.log("begun"); ${endless}`)
    await until('it runs', () => driver.stdout === 'begun\n')
    driver.interrupt()
    const { exitCode, error } = await running
    assert.deepEqual([exitCode, error?.name], [130, 'Interrupted'])
  }
  driver.interrupt()
  await sleep(50)
  assert.equal(await text('kept'), '1')
})

test('a folder and variables of one call are of that call only; those of the sandbox stay', async () => {
  const seen = '[process.cwd(), process.env.CALL, process.env.SANDBOX].join()'
  const surroundings = { cwd: '/usr', env: { CALL: 'c' }, environment: { SANDBOX: 's' } }
  assert.equal((await driver.run(seen, surroundings)).results[0]?.text, "'/usr,c,s'")
  assert.equal(await text(seen), `'${driver.folder},,s'`)
  assert.equal((await driver.run('1', { cwd: '/nowhere' })).exitCode, 1)
})

test('a child of the code has no hold of the channel', async () => {
  const { stdout } = await driver.run(
    'require("child_process").spawnSync("ls", ["-l", "/proc/self/fd"], { stdio: "inherit" });',
  )
  assert.ok(!/ 3 -> socket/.test(stdout), stdout)
})
