/** Every change of the agent leaves an image behind, and every change of its packages a root file system of gigabytes. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { removeUnusedImages } from '../../../infra/image/collect.ts'
import { markImageUsed } from '../../../origin/hostd/image.ts'
import { LIMITS } from '../../../shared/limits.ts'

test('images and root file systems that nobody used for long are removed, and nothing else', async () => {
  const cache = mkdtempSync('/tmp/atoll-images-')
  const nowMs = Date.now()
  const longAgoSec = (nowMs - LIMITS.imageUnusedMs - 60_000) / 1_000
  try {
    writeFileSync(join(cache, '.lock'), '')
    for (const name of ['present', 'used', 'unused', '.go-cache', 'root-present', 'root-unused', 'something']) {
      mkdirSync(join(cache, name))
      if (!/^\.|root|some/.test(name)) {
        writeFileSync(join(cache, name, 'image.json'), '{}')
        utimesSync(join(cache, name, 'image.json'), longAgoSec, longAgoSec)
      }
      utimesSync(join(cache, name), longAgoSec, longAgoSec)
    }
    await markImageUsed(join(cache, 'used'), nowMs)
    const gone = await removeUnusedImages(cache, ['present', 'root-present'], nowMs)
    assert.deepEqual(gone.toSorted(), ['root-unused', 'unused'])
    const left = ['.go-cache', '.lock', 'present', 'root-present', 'something', 'used']
    assert.deepEqual(readdirSync(cache).toSorted(), left)
    assert.ok(Math.abs(statSync(join(cache, 'used', 'image.json')).mtimeMs - nowMs) < 1_000)
  } finally {
    rmSync(cache, { recursive: true, force: true })
  }
})
