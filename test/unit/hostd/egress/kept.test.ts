/** What a host keeps of ways out: policies over a crash, a log that nobody collects, an authority that is always the same. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Authority } from '../../../../origin/hostd/egress/authority.ts'
import { EgressRings, type NewEntry } from '../../../../origin/hostd/egress/log.ts'
import { EgressPolicies } from '../../../../origin/hostd/egress/policies.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { CLOSED } from './world.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'egress-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('a daemon that comes back knows what the one before it was told, and root alone can read it', async () => {
  const secrets = [{ placeholder: 'atoll_secret_0123', value: 'value', hosts: ['api.test'] }]
  const before = new EgressPolicies(directory)
  before.set('one', { revision: 3, policy: { ...CLOSED, secrets } })
  before.set('two/../..', { revision: 1, policy: null })
  before.set('gone', { revision: 1, policy: CLOSED })
  before.remove('gone')
  await writeFile(join(before.directory, 'half.sandbox.json.new'), '{')
  await writeFile(join(before.directory, 'cut.sandbox.json'), '{"sandbox":"cut"')
  const after = new EgressPolicies(directory)
  assert.deepEqual(after.sandboxes().toSorted(), ['one', 'two/../..'])
  assert.deepEqual(after.get('one'), { revision: 3, policy: { ...CLOSED, secrets } })
  assert.equal(after.policyOf('two/../..'), null)
  const files = await readdir(after.directory)
  assert.equal(files.length, 2)
  for (const file of files) assert.equal((await stat(join(after.directory, file))).mode & 0o777, 0o600)
})

const entry = (host: string, action: NewEntry['action'] = 'allowed'): NewEntry => ({
  ...{ at_ms: 1, host, port: 443, action, reason: 'default', bytes_up: 0, bytes_down: 0 },
})

test('the log is told in order and once; what nobody collected is counted, and one sandbox drops nothing of another', () => {
  const rings = new EgressRings(1_000)
  rings.note('quiet', entry('first.test'))
  for (let count = 0; count < LIMITS.egressLogEntriesMax + 10; count += 1) rings.note('loud', entry(`${count}.test`))
  const one = rings.read(0)
  assert.equal(one.entries.length, LIMITS.egressLogEntriesMax + 1)
  assert.deepEqual([one.entries[0]?.sandbox, one.entries[1]?.host, one.entries[1]?.missed], ['quiet', '10.test', 10])
  assert.deepEqual(rings.read(0).entries, one.entries, 'what was not acknowledged is told again')
  rings.note('quiet', entry('x'.repeat(1_000)))
  const two = rings.read(one.next)
  assert.deepEqual(
    two.entries.map(({ host, missed }) => [host.length, missed]),
    [[LIMITS.hostNameCharsMax, 0]],
  )
  assert.deepEqual(rings.read(two.next), { entries: [], next: two.next })
  const later = new EgressRings(2_000)
  later.note('quiet', entry('after.test'))
  assert.equal(later.read(two.next).entries.length, 1, 'a daemon that starts anew counts on')
})

// Being refused costs a sandbox nothing; written down each time, it would fill the region's database.
test('who is refused without end is written down at a bounded pace, which a collector does not quicken, and what is not is counted', () => {
  const rings = new EgressRings(1)
  const { egressLogEntriesMax: most, egressLogRefusalsPerSec: perSec } = LIMITS
  const flood = (nowMs: number): void => {
    for (let count = 0; count < 2 * most; count += 1)
      rings.note('loud', entry('x.test', count % 2 ? 'denied' : 'error'), nowMs)
  }
  flood(1_000)
  const first = rings.read(0)
  assert.equal(first.entries.length, most)
  rings.sweep(() => true, 1_000)
  flood(11_000)
  const second = rings.read(first.next)
  assert.deepEqual(
    second.entries.map(({ missed }) => missed),
    [most, ...Array(10 * perSec - 1).fill(0)],
  )
  rings.note('loud', entry('allowed.test'), 11_000)
  rings.note('quiet', entry('y.test', 'denied'), 11_000)
  const third = rings.read(second.next)
  assert.deepEqual(
    third.entries.map(({ host, missed }) => [host, missed]),
    [
      ['allowed.test', 2 * most - 10 * perSec],
      ['y.test', 0],
    ],
  )
})

test('an answer of the log is bounded, and the log of who has ended waits for a while', () => {
  const rings = new EgressRings(1)
  for (const sandbox of ['a', 'b', 'c'])
    for (let count = 0; count < LIMITS.egressLogEntriesMax; count += 1) rings.note(sandbox, entry('x.test'))
  const first = rings.read(0)
  assert.equal(first.entries.length, LIMITS.egressLogAnswerMax)
  rings.sweep((id) => id === 'c', Date.now())
  assert.equal(rings.read(first.next).entries.length, 3 * LIMITS.egressLogEntriesMax - LIMITS.egressLogAnswerMax)
  rings.sweep((id) => id === 'a', Date.now() + LIMITS.egressLogKeptMs + 1)
  assert.equal(rings.read(first.next).entries.length, 0)
})

test('the authority of a host stays, its key is root’s, and what it signs is for one name and for servers', async () => {
  const [one, two] = [await Authority.open(directory), await Authority.open(directory)]
  assert.equal(one.pem, two.pem)
  assert.equal((await stat(join(directory, 'authority.json'))).mode & 0o777, 0o600)
  const certificate = new X509Certificate(one.pem)
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey))
  const contexts = await Promise.all([one.contextOf('api.test', Date.now()), one.contextOf('api.test', Date.now())])
  assert.equal(contexts[0], contexts[1])
  const nextWeek = Date.now() + LIMITS.egressLeafMs
  assert.notEqual(await one.contextOf('api.test', nextWeek), contexts[0])
  await writeFile(join(directory, 'authority.json'), '{"certificate"')
  assert.notEqual((await Authority.open(directory)).pem, one.pem)
})
