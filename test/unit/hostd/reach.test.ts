import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { refuseClosed } from '../../../origin/hostd/machine/reach.ts'

// Machines start there all the same, so without this the first sign would be a template that fails to be saved, again and again.
test('a run directory that machines’ users cannot enter is refused by the name of what keeps them out', () => {
  const directory = mkdtempSync('/tmp/atoll-reach-')
  try {
    mkdirSync(`${directory}/run`, { mode: 0o755 })
    chmodSync(directory, 0o700)
    assert.throws(() => refuseClosed(`${directory}/run`), { detail: new RegExp(`^${directory} is closed`) })
    chmodSync(directory, 0o711)
    refuseClosed(`${directory}/run`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
