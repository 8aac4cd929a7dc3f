import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CpuTotal } from '../../../origin/hostd/metrics/cpu-total.ts'

// Prometheus takes a fall of a counter for a restart of the daemon, and its rates would jump whenever a sandbox ends.
test('the processor time of all machines never falls, and counts each machine once, whoever comes and goes between looks', () => {
  const looks = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(1_000)))
  fc.assert(
    fc.property(looks, (growths) => {
      const total = new CpuTotal()
      let living = new Map<string, number>()
      let counted = 0
      let used = 0
      for (const growth of growths) {
        living = new Map(Object.entries(growth).map(([name, ms]) => [name, (living.get(name) ?? 0) + ms]))
        used += Object.values(growth).reduce((sum, ms) => sum + ms, 0)
        const grown = total.advance(living)
        assert.ok(grown >= 0)
        counted += grown
      }
      assert.equal(counted, used)
    }),
  )
})
