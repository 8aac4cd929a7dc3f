import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tscKhzOf } from '../../../origin/hostd/accel/host-machine.ts'
import { parsePoolTargets } from '../../../origin/hostd/pool/targets.ts'
import { templateKey } from '../../../origin/hostd/template/key.ts'
import { StartGate } from '../../../origin/hostd/vm/start-gate.ts'
import { SIZES } from '../../../shared/machines.ts'

test('a pool setting that makes no sense is refused by name', () => {
  for (const text of ['default', 'default@huge=1', 'default@xs=-1', 'default@xs=9999', '@xs=1'])
    assert.throws(() => parsePoolTargets(text), new RegExp(text))
  assert.deepEqual(parsePoolTargets(''), [])
})

// A device state loaded into another kind of machine crashes QEMU or, worse, does not.
test('a template is never used on another image, QEMU, processor, accelerator, revision or shape', () => {
  const around = { imageId: 'i', accel: 'tcg', qemuVersion: '7.2', cpuModel: 'c' } as const
  const keys = [
    templateKey(around, 'default', 1, SIZES.xs),
    templateKey({ ...around, imageId: 'j' }, 'default', 1, SIZES.xs),
    templateKey({ ...around, accel: 'kvm' }, 'default', 1, SIZES.xs),
    templateKey({ ...around, qemuVersion: '8.0' }, 'default', 1, SIZES.xs),
    templateKey({ ...around, cpuModel: 'd' }, 'default', 1, SIZES.xs),
    templateKey(around, 'default', 2, SIZES.xs),
    templateKey(around, 'default', 1, SIZES.small),
    templateKey(around, 'other', 1, SIZES.xs),
  ]
  assert.equal(new Set(keys).size, keys.length)
})

test('at most so many machines start at once, all get their turn, and the pool waits for the last', async () => {
  const gate = new StartGate(2, 100)
  let now = 0
  let most = 0
  const start = async (): Promise<void> => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => setTimeout(resolve, 1))
    now--
  }
  const all = Array.from({ length: 20 }, () => gate.pass(start))
  await gate.idle()
  assert.deepEqual([now, most], [0, 2])
  await Promise.all(all)
  await assert.rejects(
    gate.pass(() => Promise.reject(new Error('a start that fails'))),
    /a start that fails/,
  )
  await gate.idle()
})

test('too long a queue is refused instead of grown', async () => {
  const gate = new StartGate(1, 1)
  const { promise, resolve } = Promise.withResolvers<void>()
  const running = [gate.pass(() => promise), gate.pass(() => promise)]
  await assert.rejects(
    gate.pass(() => promise),
    { code: 'capacity_exhausted' },
  )
  resolve()
  await Promise.all(running)
})

test('the rate of the time stamp counter is the nominal one where the processor names it', () => {
  assert.equal(tscKhzOf('model name\t: Intel(R) Xeon(R) CPU @ 2.60GHz\ncpu MHz\t\t: 3100.000\n'), 2_600_000)
  assert.equal(tscKhzOf('model name\t: Intel(R) Xeon(R) Processor\ncpu MHz\t\t: 2599.998\n'), 2_599_998)
})
