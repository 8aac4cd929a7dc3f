/** What the bash of a context promises to its cells. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../../harness/until.ts'
import { Driver } from './drive.ts'

const driver = new Driver('bash')
after(() => driver.end())

test('variables, functions, the folder and options survive from call to call', async () => {
  await driver.run('x=5; declare -A map=([a]=1); f() { echo "f $1"; }; cd /usr; export E=e')
  assert.equal(
    (await driver.run('echo $x; declare -p map; f 1; pwd; env | grep ^E=')).stdout,
    '5\ndeclare -A map=([a]="1" )\nf 1\n/usr\nE=e\n',
  )
})

test('the exit code is that of the last command', async () => {
  assert.equal((await driver.run('false')).exitCode, 1)
  assert.equal((await driver.run('return 5')).exitCode, 5)
  assert.equal((await driver.run('nonsuch')).exitCode, 127)
  const { exitCode, stderr } = await driver.run('if then')
  assert.equal(exitCode, 2)
  assert.match(stderr, /line 1: syntax error/)
})

test('exit ends the call, from however deep, and the session lives on', async () => {
  const { exitCode, stdout } = await driver.run(
    'leave() { while :; do exit 300; done; }; for i in 1 2; do leave; echo no; done; echo no',
  )
  assert.deepEqual([exitCode, stdout], [44, ''])
  assert.equal((await driver.run('(exit 3); echo $? $x')).stdout, '3 5\n')
  assert.equal((await driver.run('false; exit')).exitCode, 1)
})

test('an interrupt ends the call and not the session, and is nothing between two calls', async () => {
  for (const endless of ['while :; do :; done', 'sleep 60', 'while :; do sleep 60; done']) {
    const running = driver.run(`echo begun; ${endless}; echo no`)
    await until('it runs', () => driver.stdout === 'begun\n')
    driver.interrupt()
    const { exitCode, stdout } = await running
    assert.deepEqual([exitCode, stdout], [130, 'begun\n'])
  }
  driver.interrupt()
  await sleep(50)
  assert.equal((await driver.run('echo $x')).stdout, '5\n')
})

test('the code and its children have no hold of the channel', async () => {
  const { exitCode, stdout } = await driver.run('ls -l /proc/self/fd; { echo forged >&3; } 2>/dev/null')
  assert.equal(exitCode, 1)
  assert.ok(!/ 3 -> socket/.test(stdout), stdout)
})

test('code with quotes, newlines and bytes of any kind is run as it is', async () => {
  assert.equal((await driver.run('cat <<"X"\n\'"$x`ü\\\nX')).stdout, '\'"$x`ü\\\n')
})
