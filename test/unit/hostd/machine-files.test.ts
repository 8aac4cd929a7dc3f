import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { filesOf, makeDirectories, removeDirectories } from '../../../origin/hostd/machine/files.ts'

const THERE = 300
const LATE = 60

// A machine may die in the middle of a fork, which has just begun a disk for it. What is left of it would be nobody's until the next daemon.
test('a directory goes whole, also when something is still put there meanwhile', async () => {
  const place = mkdtempSync(join(tmpdir(), 'machine-files-'))
  try {
    const files = filesOf({ machinesDir: place, runDir: join(place, 'run') }, 'm-0123456789ab')
    await removeDirectories(files)
    await makeDirectories({ ...files, runDir: join(place, 'other') }, null)
    for (let file = 0; file < THERE; file++) writeFileSync(join(files.stateDir, `${file}`), '')
    // Until the directory is gone, and not without end.
    const putting = (async () => {
      for (let file = 0; file < LATE; file++) {
        await writeFile(join(files.stateDir, `late-${file}`), '')
        await sleep(1)
      }
    })().catch(() => {})
    await removeDirectories(files)
    await putting
    assert.equal(existsSync(files.stateDir), false)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
})
