/** What the Python of a context promises to its cells. Run by this machine's Python: the driver needs nothing but its standard library. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../../harness/until.ts'
import { Driver } from './drive.ts'

let driver = new Driver('python')
beforeEach(async () => {
  if (driver.process.exitCode === null && driver.process.signalCode === null) return
  await driver.end()
  driver = new Driver('python')
})
after(() => driver.end())

test('names survive from call to call, and the last expression is the result', async () => {
  assert.deepEqual((await driver.run('x = [1]')).results, [])
  const { results, exitCode } = await driver.run('x.append(2)\nx')
  assert.deepEqual(results, [{ text: '[1, 2]', is_main_result: true, is_truncated: false }])
  assert.equal(exitCode, 0)
  assert.deepEqual((await driver.run('x;')).results, [])
})

test('an object is shown in every form that it offers, and one that fails to is shown without it', async () => {
  const { results } = await driver.run(`
class Rich:
    def _repr_html_(self): return "<b>"
    def _repr_png_(self): return b"png"
    def _repr_json_(self): return {"a": [1]}
    def _repr_svg_(self): raise ValueError("no")
    def _repr_latex_(self): return 5
    def __repr__(self): return "rich"
display(Rich())
display({"text/plain": "p", "text/markdown": "*m*"}, raw=True)
Rich()`)
  const rich = { text: 'rich', html: '<b>', png: 'cG5n', json: { a: [1] }, is_truncated: true }
  assert.deepEqual(results, [
    { ...rich, is_main_result: false },
    { text: 'p', markdown: '*m*', is_main_result: false, is_truncated: false },
    { ...rich, is_main_result: true },
  ])
})

test('what is too large to show is cut or left out, and says so', async () => {
  const { results } = await driver.run(`
class Large:
    def _repr_html_(self): return "x" * 10_000_000
    def _repr_markdown_(self): return "small"
display("x" * 1_000_000)
Large()`)
  assert.equal(results[0]?.is_truncated, true)
  assert.ok((results[0]?.text.length ?? 0) < 70_000)
  assert.deepEqual(
    { ...results[1], text: '' },
    { text: '', markdown: 'small', is_main_result: true, is_truncated: true },
  )
})

test('an error is data: its name, its words and the lines of the cells, and poisons nothing', async () => {
  await driver.run('def divide(): return 1 / 0')
  const { error, exitCode, stderr } = await driver.run('divide()')
  assert.equal(exitCode, 1)
  assert.equal(error?.name, 'ZeroDivisionError')
  assert.equal(error?.value, 'division by zero')
  const traceback = error?.traceback.join('\n') ?? ''
  assert.match(traceback, /<cell \d+>", line 1, in divide\n {4}def divide\(\): return 1 \/ 0/)
  assert.ok(!traceback.includes('atoll_driver'), traceback)
  assert.equal(stderr, '')
  assert.equal((await driver.run('1 +')).error?.name, 'SyntaxError')
  assert.deepEqual((await driver.run('2')).results[0]?.text, '2')
})

test('an error whose own words fail, or never end, is told all the same', async () => {
  const mute = await driver.run(`
class Mute(Exception):
    def __str__(self): raise RuntimeError("mute")
raise Mute()`)
  assert.equal(mute.error?.name, 'Mute')
  const long = await driver.run('def deep(): deep()\ndeep()')
  assert.equal(long.error?.name, 'RecursionError')
  assert.ok((long.error?.traceback.length ?? 0) <= 101)
  assert.ok(((await driver.run('raise ValueError("x" * 1_000_000)')).error?.value.length ?? 0) < 10_000)
})

test('leaving the interpreter ends the call with the code, and the session lives on', async () => {
  await driver.run('kept = 1')
  assert.equal((await driver.run('import sys; sys.exit(3)')).exitCode, 3)
  assert.equal((await driver.run('exit()')).exitCode, 0)
  const said = await driver.run('sys.exit("no")')
  assert.deepEqual([said.exitCode, said.stderr, said.error], [1, 'no\n', null])
  assert.equal((await driver.run('kept')).results[0]?.text, '1')
})

test('what is printed comes while the code runs, from C and from children too', async () => {
  const running = driver.run(
    'import os, time\nprint("a")\nprint("dot", end="")\ntime.sleep(0.1)\nprint(".", end="")\ntime.sleep(30)',
  )
  await until('the line is there', () => driver.stdout === 'a\ndot' || driver.stdout === 'a\ndot.')
  await until('the dot is there', () => driver.stdout === 'a\ndot.')
  driver.interrupt()
  assert.equal((await running).error?.name, 'KeyboardInterrupt')
  const { stdout, stderr } = await driver.run('os.write(1, b"\\xff"); os.system("echo child; echo oh >&2")')
  assert.deepEqual([stdout, stderr], ['�child\n', 'oh\n'])
})

test('an interrupt ends the call and not the session, and is nothing between two calls', async () => {
  await driver.run('kept = 2')
  await driver.run('import asyncio, time')
  for (const endless of ['while True: pass', 'time.sleep(60)', 'await asyncio.sleep(60)']) {
    const running = driver.run(`print("begun")\n${endless}`)
    await until('it runs', () => driver.stdout === 'begun\n')
    driver.interrupt()
    const { exitCode, error } = await running
    assert.deepEqual([exitCode, error?.name], [130, 'KeyboardInterrupt'])
    assert.ok(!error?.traceback.join('').includes('atoll_driver'), error?.traceback.join('\n'))
  }
  driver.interrupt()
  await sleep(50)
  assert.equal((await driver.run('kept')).results[0]?.text, '2')
})

test('await may stand at the top level, and what one cell began another can await', async () => {
  await driver.run('import asyncio\nasync def later():\n    await asyncio.sleep(0.01)\n    return 7')
  assert.equal((await driver.run('await later()')).results[0]?.text, '7')
  await driver.run('task = asyncio.create_task(later())\nawait asyncio.sleep(0)\n5')
  assert.equal((await driver.run('await task')).results[0]?.text, '7')
})

test('a fork of the code runs to the end of the cell, and has no word to the agent', async () => {
  const { results, stdout, stderr } = await driver.run(`
import os
if os.fork() == 0:
    display("from the child")
    print("child")
    raise ValueError("in the child")
os.waitstatus_to_exitcode(os.wait()[1])`)
  assert.deepEqual(
    results.map(({ text }) => text),
    ['1'],
  )
  assert.equal(stdout, 'child\n')
  assert.match(stderr, /ValueError: in the child/)
  const pool =
    'import multiprocessing\ndef square(x): return x * x\nwith multiprocessing.Pool(2) as pool: squares = pool.map(square, [1, 2])\nsquares'
  assert.equal((await driver.run(pool)).results[0]?.text, '[1, 4]')
})

test('a thread that prints later is heard, and a child of the code does not hold the channel', async () => {
  await driver.run('import threading, time\nthreading.Timer(0.05, lambda: print("later")).start()')
  await until('it prints', () => driver.stdout === 'later\n')
  const { stdout } = await driver.run('import subprocess\nsubprocess.run(["ls", "/proc/self/fd"], close_fds=False);')
  assert.ok(!stdout.split('\n').includes('3') || !stdout.split('\n').includes('4'), stdout)
})

test('a folder and variables of one call are of that call only; those of the sandbox stay', async () => {
  const seen = 'import os\n(os.getcwd(), os.environ.get("CALL"), os.environ.get("SANDBOX"))'
  const surroundings = { cwd: '/usr', env: { CALL: 'c' }, environment: { SANDBOX: 's' } }
  assert.equal((await driver.run(seen, surroundings)).results[0]?.text, "('/usr', 'c', 's')")
  assert.equal((await driver.run(seen)).results[0]?.text, `('${driver.folder}', None, 's')`)
  const missing = await driver.run('1', { cwd: '/nowhere' })
  assert.deepEqual([missing.error?.name, missing.exitCode], ['FileNotFoundError', 1])
})

test('a process that was copied draws other numbers than its copy', async () => {
  await driver.run('import random; random.seed(5); drawn = random.random(); random.seed(5)')
  assert.equal((await driver.run('random.random() == drawn', { draws_anew: true })).results[0]?.text, 'False')
})

test('the code finds modules of its working folder, and none of the driver’s', async () => {
  mkdirSync(join(driver.folder, 'mine'))
  writeFileSync(join(driver.folder, 'mine/__init__.py'), 'answer = 42')
  assert.equal((await driver.run('import mine; mine.answer')).results[0]?.text, '42')
  assert.equal((await driver.run('[n for n in dir() if not n.startswith("__")]')).error, null)
  assert.equal((await driver.run('input()')).error?.name, 'EOFError')
})

// There is no matplotlib on every machine; the protocol between it and the driver is small, and played here.
test('figures that are left open are results, once, and are closed', async () => {
  const folder = join(driver.folder, 'matplotlib')
  mkdirSync(folder)
  writeFileSync(join(folder, '__init__.py'), '')
  writeFileSync(
    join(folder, 'figure.py'),
    'class Figure:\n    axes = [1]\n    texts = images = []\n    def savefig(self, to, **_): to.write(b"drawn")\n    def __repr__(self): return "figure"\n',
  )
  writeFileSync(
    join(folder, 'pyplot.py'),
    [
      'from .figure import Figure',
      'open_figures = {}',
      'def figure(number=None):',
      '    return open_figures.setdefault(number or len(open_figures) + 1, Figure())',
      'def get_fignums(): return list(open_figures)',
      'def close(which):',
      '    for number, figure in list(open_figures.items()):',
      '        if which in ("all", figure): del open_figures[number]',
    ].join('\n'),
  )
  const picture = { text: 'figure', png: Buffer.from('drawn').toString('base64'), is_truncated: false }
  const open = await driver.run('from matplotlib import pyplot\npyplot.figure();')
  assert.deepEqual(open.results, [{ ...picture, is_main_result: false }])
  const main = await driver.run('pyplot.figure()')
  assert.deepEqual(main.results, [{ ...picture, is_main_result: true }])
  assert.deepEqual((await driver.run('pyplot.get_fignums()')).results[0]?.text, '[]')
  assert.equal((await driver.run('import os; os.environ["MPLBACKEND"]')).results[0]?.text, "'agg'")
})

test('a process that is ended from within ends, without a word', async () => {
  void driver.run('import os; os._exit(9)').catch(() => {})
  assert.equal(await driver.exited, 9)
})
