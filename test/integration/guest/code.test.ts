/** Code in a real machine: what only its kernel, its users and its agent's life can show. The rest is held by the drivers' own tests. */
import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import { guestCodeContexts } from '../../../shared/contracts/guest-code.ts'
import { until } from '../../harness/until.ts'
import { begin, codeOrder, runCode } from './call-code.ts'
import { run } from './command.ts'
import { bootMachine, type Machine } from './machine.ts'
import { beginAndVanish } from './vanish.ts'

let machine: Machine
let session: GuestSession
before(async () => {
  machine = await bootMachine()
  session = await machine.open()
})
after(() => machine?.stop())

test('each language keeps its state, as the sandbox’s user in its workspace', async () => {
  const python = await runCode(session, 'import os, sys\nx = 20\nprint(os.getuid(), os.getcwd(), sys.prefix)')
  assert.equal(python.stdout, '1000 /workspace /opt/venv\n', python.stderr)
  assert.equal((await runCode(session, 'x + 1')).results[0]?.text, '21')

  const javascript = { language: 'javascript' } as const
  const first = await runCode(session, 'const x = await Promise.resolve(20); process.getuid()', javascript)
  assert.equal(first.results[0]?.text, '1000', first.stderr)
  assert.equal(
    (await runCode(session, 'import { sep } from "node:path"; sep + (x + 1)', javascript)).results[0]?.text,
    "'/21'",
  )

  const bash = { language: 'bash' } as const
  await runCode(session, 'x=20; cd /usr', bash)
  assert.equal((await runCode(session, 'echo $((x + 1)) $PWD', bash)).stdout, '21 /usr\n')
})

const GREEDY = [
  {
    language: 'python',
    group: 'y = 1\nprint(open("/proc/self/cgroup").read().strip().rpartition("::")[2])',
    greed: 'taken = []\nwhile True: taken.append(bytearray(64_000_000))',
    lost: 'NameError',
  },
  {
    language: 'javascript',
    group: `var y = 1; console.log(require('node:fs').readFileSync('/proc/self/cgroup', 'utf8').trim().split('::')[1])`,
    greed: 'const taken = []; for (;;) taken.push(Buffer.alloc(64_000_000, 1))',
    lost: 'ReferenceError',
  },
] as const

// The group of the context is given little memory here, because to touch all of a machine's takes an emulated one a minute; and what is nearly
// full makes an interpreter read its own program again and again, so that it takes much at once.
for (const { language, group, greed, lost } of GREEDY)
  test(`${language} that takes all memory ends its own context, and says why; the machine goes on`, async () => {
    const place = (await runCode(session, group, { language })).stdout.trim()
    const limit = `echo 96M > /sys/fs/cgroup${place}/memory.max`
    assert.equal((await run(session, limit, { user: 'root' })).exit_code, 0)
    const greedy = await runCode(session, greed, { language, timeout_ms: 110_000 })
    assert.deepEqual(
      [greedy.end?.reason, greedy.end?.exit_code, greedy.end?.context_restarted, greedy.error],
      ['out_of_memory', 137, true, undefined],
    )
    const after = await runCode(session, 'y', { language })
    assert.deepEqual([after.error?.name, after.end?.context_restarted], [lost, false])
  })

test('code that forks without end is ended with all that it has made, and the machine answers meanwhile', async () => {
  const bomb = 'import os\nwhile True:\n    try: os.fork()\n    except OSError: pass'
  const exploding = runCode(session, bomb, { timeout_ms: 4_000 })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  assert.equal((await session.health()).ok, true)
  assert.equal((await exploding).end?.reason, 'timeout')
  assert.equal((await runCode(session, '6 * 7')).results[0]?.text, '42')
  const left = async (): Promise<number> => Number((await run(session, 'pgrep -c -f interpreters/python')).stdout)
  await until('what it had made to be gone', async () => (await left()) <= 2)
})

test('code that prints without end is cut where it may say no more, and its context goes on', async () => {
  const endless = [
    ['python', 'while True: print("x" * 1_000)'],
    ['javascript', 'for (;;) console.log("x".repeat(1_000))'],
    ['bash', 'while :; do printf %1000s; done'],
  ] as const
  for (const [language, code] of endless) {
    await runCode(session, language === 'javascript' ? 'var kept = 1' : 'kept=1', { language })
    const { stdout, end } = await runCode(session, code, { language, timeout_ms: 2_000, output_bytes_max: 100_000 })
    assert.deepEqual([stdout.length, end?.stdout_truncated, end?.reason], [100_000, true, 'timeout'], language)
    assert.equal(end?.context_restarted, false, language)
  }
})

test('what code has started ends with its context', async () => {
  const many = 'import os, time\nfor _ in range(20):\n    if os.fork() == 0: time.sleep(1_000)\n20'
  assert.equal((await runCode(session, many)).results[0]?.text, '20')
  const count = async (): Promise<string> =>
    (await runCode(session, 'pgrep -c -f interpreters/python', { language: 'bash' })).stdout
  assert.equal(await count(), '21\n')
  const { stream, head } = begin(session, 'POST', '/v1/code/contexts/ctx_python/restart')
  assert.equal((await head).status, 200, await text(stream))
  await runCode(session, '1')
  await until('all of it to be gone', async () => (await count()) === '1\n')
})

test('contexts live on when the host begins anew, and so does a call that runs', async () => {
  await runCode(session, 'kept = "kept"')
  session.close()
  await session.closed
  await beginAndVanish(machine, '/v1/code', [codeOrder('import time\nprint("begun")\ntime.sleep(3)\nfinished = True')])
  session = await machine.open({ keepsCommands: true })
  await session.keptEnded()
  assert.deepEqual((await runCode(session, '(kept, finished)')).results[0]?.text, "('kept', True)")
})

test('a caller who leaves interrupts the code and keeps what it has made', async () => {
  const leaving = new AbortController()
  const cut = runCode(
    session,
    'mine = 1\nprint("begun")\nwhile True: pass',
    {},
    {
      signal: leaving.signal,
      heard: (event) => event.type === 'stdout' && leaving.abort(new Error('left')),
    },
  )
  await assert.rejects(cut)
  assert.equal((await runCode(session, 'mine')).results[0]?.text, '1')
})

test('a timeout interrupts the code, what heeds none is killed, and both say what became of the context', async () => {
  const heeds = await runCode(session, 'while True: pass', { timeout_ms: 500 })
  assert.deepEqual([heeds.end?.reason, heeds.end?.exit_code, heeds.end?.context_restarted], ['timeout', 124, false])
  const shell = await runCode(session, 'while :; do :; done', { timeout_ms: 500, language: 'bash' })
  assert.deepEqual([shell.end?.exit_code, shell.end?.context_restarted], [124, false])
  const script = await runCode(session, 'for (;;);', { timeout_ms: 500, language: 'javascript' })
  assert.deepEqual([script.end?.exit_code, script.end?.context_restarted], [124, false])
  const { stream, head } = begin(session, 'GET', '/v1/code/contexts')
  assert.equal((await head).status, 200)
  const { contexts } = guestCodeContexts.parse(JSON.parse(await text(stream)))
  assert.deepEqual(contexts.map(({ id, is_running }) => [id, is_running]).sort(), [
    ['ctx_bash', false],
    ['ctx_javascript', false],
    ['ctx_python', false],
  ])
})
