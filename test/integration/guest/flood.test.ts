/** An agent that floods its host is found out within moments; until then the daemon stays as small as it was, and answers others. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { openGuestSession } from '../../../origin/hostd/guest/session.ts'
import type { Violation } from '../../../origin/hostd/guest/violation.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { orderOf } from './command.ts'
import { FLOODS, type Flood, startFlood } from './flooding-agent.ts'
import { UNWATCHED } from './unwatched.ts'

/** Bounds for a slow and busy machine; an unbounded daemon grows by gigabytes, and stands still for as long as it is flooded. */
const FOUND_OUT_MS = 120 * LIMITS.guestWatchMs
const GROWTH_BYTES_MAX = 128 * 1024 * 1024
const STILL_MS_MAX = 4_000

for (const flood of Object.keys(FLOODS) as Flood[]) {
  test(`an agent that sends ${flood} for ever is ended`, { timeout: 180_000 }, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'atoll-flood-'))
    const agent = await startFlood(directory, flood)
    context.after(async () => {
      await agent.stop()
      rmSync(directory, { recursive: true, force: true })
    })
    const accused = Promise.withResolvers<Violation>()
    const stillness = monitorEventLoopDelay({ resolution: 5 })
    const before = process.memoryUsage.rss()
    stillness.enable()
    const session = await openGuestSession({
      ...UNWATCHED,
      ...agent,
      accuse: accused.resolve,
      signal: AbortSignal.timeout(FOUND_OUT_MS),
    })
    // A command is what a hostile agent is given to answer.
    const answer = (async () => {
      for await (const _frame of session.exec(orderOf(['/bin/true'])));
    })().catch(() => {})
    const late = setTimeout(() => accused.reject(new Error('It was not found out.')), FOUND_OUT_MS)
    const violation = await accused.promise.finally(() => clearTimeout(late))
    await Promise.all([session.closed, answer])
    stillness.disable()
    context.diagnostic(`${violation}; the longest standstill was ${Math.round(stillness.max / 1e6)} ms`)
    assert.ok(process.memoryUsage.rss() - before < GROWTH_BYTES_MAX)
    assert.ok(stillness.max / 1e6 < STILL_MS_MAX)
  })
}
