import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { markUsed, removeUnused } from '../../../origin/hostd/template/collect.ts'
import { LIMITS } from '../../../shared/limits.ts'

// Every build of the agent leaves templates of 200 MB behind; the one in use must never be among those that go.
test('templates that nobody used for long are removed, and nothing else in the directory', async () => {
  const directory = mkdtempSync('/tmp/atoll-collect-')
  const nowMs = Date.now()
  try {
    for (const name of ['used', 'unused', 'other.building-1']) mkdirSync(`${directory}/${name}`)
    for (const name of ['used', 'unused']) writeFileSync(`${directory}/${name}/template.json`, '{}')
    writeFileSync(`${directory}/used.lock`, '')
    await removeUnused(directory, nowMs)
    assert.deepEqual(readdirSync(directory).toSorted(), ['other.building-1', 'unused', 'used', 'used.lock'])
    const laterMs = nowMs + LIMITS.templateUnusedMs + 1_000
    await markUsed(`${directory}/used`, laterMs)
    await removeUnused(directory, laterMs)
    assert.deepEqual(readdirSync(directory).toSorted(), ['other.building-1', 'used', 'used.lock'])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
