/** What a command is given, and how its end is told, in a real machine. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import { FRAME } from '../../../shared/frames.ts'
import { orderOf, run } from './command.ts'
import { bootMachine, type Machine } from './machine.ts'

let machine: Machine
let session: GuestSession
before(async () => {
  machine = await bootMachine()
  session = await machine.open()
})
after(() => machine?.stop())

test('the agent says who it is', async () => {
  const health = await session.health()
  assert.match(health.kernel, /^6\./)
  assert.ok(health.uptime_ms > 0)
})

test('a shell line computes, and stdout and stderr are kept apart', async () => {
  const outcome = await run(session, 'echo $((1+1)); echo oh >&2')
  assert.deepEqual(
    { ...outcome, duration_ms: 0 },
    {
      stdout: '2\n',
      stderr: 'oh\n',
      exit_code: 0,
      reason: 'exit',
      duration_ms: 0,
      stdout_truncated: false,
      stderr_truncated: false,
    },
  )
})

test('arguments reach a program byte for byte, without a shell in between', async () => {
  const outcome = await run(session, ['/usr/bin/printf', '%s|', 'a b', '$HOME', '*', 'ü'])
  assert.equal(outcome.stdout, 'a b|$HOME|*|ü|')
})

test('output that is not text arrives as it is', async () => {
  const bytes: Uint8Array[] = []
  for await (const frame of session.exec(orderOf(['/usr/bin/printf', '\\000\\377\\200'])))
    if (frame.type === FRAME.stdout) bytes.push(frame.payload)
  assert.deepEqual([...Buffer.concat(bytes)], [0, 255, 128])
})

test('a command runs as the sandbox user, where and with what it was told', async () => {
  const outcome = await run(session, 'id -un; id -Gn; pwd; echo $GREETING; echo $HOME; echo $LANG', {
    cwd: '/tmp',
    env: { GREETING: 'hello there' },
  })
  assert.equal(outcome.stdout, 'sandbox\nsandbox\n/tmp\nhello there\n/home/sandbox\nC.UTF-8\n')
})

test('root is root, and the sandbox user may become it', async () => {
  assert.equal((await run(session, 'id -un; echo $HOME', { user: 'root' })).stdout, 'root\n/root\n')
  assert.equal((await run(session, 'sudo id -un')).stdout, 'root\n')
})

test('the template has Python with its environment, Node, git and curl, and a workspace that can be written to', async () => {
  const outcome = await run(session, 'touch made && which python3 pip node git curl && python3 -c "print(6*7)"')
  assert.equal(outcome.exit_code, 0, outcome.stderr)
  assert.match(outcome.stdout, /^\/opt\/venv\/bin\/python3\n\/opt\/venv\/bin\/pip\n/)
  assert.match(outcome.stdout, /\n42\n$/)
})

test('stdin is the text that was sent, and then its end', async () => {
  assert.equal((await run(session, 'wc -c; cat', { stdin: 'one\ntwo ü' })).stdout, '10\n')
  const large = 'x'.repeat(1024 * 1024)
  assert.equal((await run(session, 'wc -c', { stdin: large })).stdout, `${large.length}\n`)
  assert.equal((await run(session, 'cat')).stdout, '', 'without a text there is nothing to read')
})

test('a command that does not read its stdin is not held up by it', async () => {
  const outcome = await run(session, 'echo done', { stdin: 'x'.repeat(300_000) })
  assert.equal(outcome.stdout, 'done\n')
})

test('an exit code is the command’s own', async () => {
  assert.deepEqual(pick(await run(session, 'exit 7')), { exit_code: 7, reason: 'exit' })
})

test('a signal that ends a command is told as 128 and its number', async () => {
  assert.deepEqual(pick(await run(session, 'kill -TERM $$')), { exit_code: 143, reason: 'signal' })
})

const REFUSED: [what: string, command: string[], more: object, exit: number, says: RegExp][] = [
  ['a program that is not in the path', ['no-such-program'], {}, 127, /not found/],
  ['a path that is not there', ['/no/such/program'], {}, 127, /no such file/],
  ['a file that is not a program', ['/etc/passwd'], {}, 126, /permission denied/],
  ['a directory', ['/tmp'], {}, 126, /permission denied/],
  ['a working directory that is not there', ['/bin/true'], { cwd: '/nowhere' }, 126, /\/nowhere: no such file/],
  ['a working directory that is forbidden', ['/bin/true'], { cwd: '/root' }, 126, /\/root: permission denied/],
  ['an argument that the kernel does not take', ['/bin/true', 'x'.repeat(200_000)], {}, 126, /too long/],
]
for (const [what, command, more, exitCode, says] of REFUSED) {
  test(`${what} ends like in a shell, with a message`, async () => {
    const outcome = await run(session, command, more)
    assert.deepEqual(pick(outcome), { exit_code: exitCode, reason: 'exit' })
    assert.match(outcome.stderr, says)
  })
}

test('a child that keeps the pipes open delays the answer by half a second at most, and lives on', async () => {
  const began = performance.now()
  const outcome = await run(session, 'sleep 300 & echo $!')
  assert.ok(performance.now() - began < 60_000)
  assert.equal(outcome.exit_code, 0)
  assert.equal((await run(session, `kill -0 ${outcome.stdout.trim()} && echo alive`)).stdout, 'alive\n')
})

test('commands run beside each other, each with its own answer', async () => {
  const outcomes = await Promise.all(Array.from({ length: 8 }, (_, index) => run(session, `sleep 0.2; echo ${index}`)))
  assert.deepEqual(
    outcomes.map((outcome) => outcome.stdout),
    Array.from({ length: 8 }, (_, index) => `${index}\n`),
  )
})

test('output arrives while the command still runs', async () => {
  let heard = ''
  for await (const frame of session.exec(orderOf('echo one; until [ -e heard ]; do sleep 0.1; done; echo two'))) {
    if (frame.type !== FRAME.stdout) continue
    heard += Buffer.from(frame.payload)
    // It has an end only if its first line is here before that.
    if (heard === 'one\n') await run(session, 'touch heard')
  }
  assert.equal(heard, 'one\ntwo\n')
})

const pick = ({ exit_code, reason }: { exit_code: number; reason: string }) => ({ exit_code, reason })
