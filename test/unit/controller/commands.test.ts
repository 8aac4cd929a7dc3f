/** Events of commands wait in memory, in their order and within a bound, for as long as the database is away, and no one keeps the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { type Commands, createCommands } from '../../../origin/controller/commands/commands.ts'
import { LIMITS } from '../../../shared/limits.ts'

type Written = { sandbox: string; type: string; data: { exec_id: string; reason?: string; exit_code?: number | null } }

const DIALECT = new PgDialect()
const away = (): Error => Object.assign(new Error('no database'), { code: 'ECONNREFUSED' })
const END = { exit_code: 0, duration_ms: 1, reason: 'exit' }

/** Keeps what is written, unless `fails` says why it cannot be. */
function stage(fails: (batch: Written[]) => Error | undefined = () => undefined) {
  const written: Written[] = []
  const logged: { event: string; fields: unknown }[] = []
  let nowMs = 0
  const execute = async (statement: SQL): Promise<{ rows: never[] }> => {
    const batch: Written[] = JSON.parse(String(DIALECT.sqlToQuery(statement).params[0]))
    const failure = fails(batch)
    if (failure !== undefined) throw failure
    written.push(...batch)
    return { rows: [] }
  }
  const commands: Commands = createCommands({
    // Of a database nothing else is asked.
    db: { execute } as unknown as Parameters<typeof createCommands>[0]['db'],
    clock: () => nowMs++,
    log: (_level, event, fields) => void logged.push({ event, fields }),
    written: () => {},
  })
  return { commands, written, logged }
}

test('while the database is away events wait, and are written in their order when it is back', async () => {
  let isAway = true
  const { commands, written } = stage(() => (isAway ? away() : undefined))
  for (let n = 0; n < LIMITS.eventsPublishedMax; n++) commands.tell('sbx_1', `exec_${n}`, { command: 'true' }).end(END)
  await assert.rejects(commands.write())
  await commands.settle('sbx_1')
  assert.equal(written.length, 0)
  isAway = false
  await Promise.all([commands.write(), commands.settle('sbx_1'), commands.write()])
  assert.equal(written.length, 2 * LIMITS.eventsPublishedMax)
  assert.deepEqual(
    written.map(({ data }) => data.exec_id),
    written.map((_, index) => `exec_${Math.floor(index / 2)}`),
  )
})

// A tenant that floods a region whose database is gone must not fill the memory of its controller.
test('more than may wait is dropped, and how many is said once', async () => {
  const { commands, written, logged } = stage()
  for (let n = 0; n < LIMITS.commandEventsHeldMax; n++)
    commands.tell('sbx_1', `exec_${n}`, { command: 'true' }).end(END)
  await commands.write()
  await commands.write()
  assert.equal(written.length, LIMITS.commandEventsHeldMax)
  assert.deepEqual(logged, [{ event: 'commands.events_dropped', fields: { count: LIMITS.commandEventsHeldMax } }])
})

test('what the database refuses to take is given up, and what comes after it is written', async () => {
  const { commands, written, logged } = stage((batch) =>
    batch.some(({ sandbox }) => sandbox === 'sbx_bad') ? new Error('invalid input syntax') : undefined,
  )
  commands.tell('sbx_bad', 'exec_1', { command: 'true' }).begin()
  await commands.write()
  commands.tell('sbx_good', 'exec_2', { command: 'true' }).begin()
  await commands.write()
  assert.deepEqual(
    written.map(({ sandbox }) => sandbox),
    ['sbx_good'],
  )
  assert.deepEqual(
    logged.map(({ event }) => event),
    ['commands.events_not_written'],
  )
})

test('a command begins once and ends once, whatever is said of it, and one that never began is not lost', async () => {
  const { commands, written } = stage()
  const told = commands.tell('sbx_1', 'exec_1', { command: 'true' })
  told.lose()
  told.begin()
  told.begin()
  told.lose()
  told.end(END)
  told.lose()
  await commands.write()
  assert.deepEqual(
    written.map(({ type, data }) => [type, data.reason]),
    [
      ['sandbox.exec.started', undefined],
      ['sandbox.exec.completed', 'lost'],
    ],
  )
})

test('the end of a process is told once, whoever hears it, and ever more processes take no more memory', async () => {
  const { commands, written } = stage()
  const { awaited } = commands
  awaited.add('sbx_1', 'p_1', 'sleep 1', 0)
  awaited.add('sbx_1', 'p_1', 'sleep 1', 0)
  awaited.end('sbx_1', 'p_1', END)
  awaited.end('sbx_1', 'p_1', END)
  awaited.lose('sbx_1', 'p_unknown')
  assert.equal(awaited.sandboxes.size, 0)
  await commands.write()
  assert.equal(written.length, 2)
  for (let n = 0; n < LIMITS.commandsAwaitedMax + 10; n++) awaited.add(`sbx_${n % 7}`, `p_${n}`, 'sleep 1', 0)
  const held = (): number => [...awaited.sandboxes.values()].reduce((sum, { told }) => sum + told.size, 0)
  assert.equal(held(), LIMITS.commandsAwaitedMax)
  for (const id of [...awaited.sandboxes.keys()]) awaited.loseAll(id)
  assert.equal(held(), 0)
})

test('a sandbox is asked soon after a process was started in it, then ever less often, and soon again after the next', () => {
  const { commands } = stage()
  const { awaited } = commands
  awaited.add('sbx_1', 'p_1', 'sleep 1', 0)
  const next = (): number => awaited.sandboxes.get('sbx_1')?.nextAtMs ?? Number.NaN
  assert.equal(next(), LIMITS.commandLookMs)
  for (let turn = 0; turn < 20; turn++) awaited.postpone('sbx_1', 0)
  assert.equal(next(), LIMITS.commandLookMsMax)
  awaited.add('sbx_1', 'p_2', 'sleep 1', 0)
  assert.equal(next(), LIMITS.commandLookMs)
  awaited.add('sbx_1', 'p_3', 'sleep 1', LIMITS.commandLookMs / 2)
  assert.equal(next(), LIMITS.commandLookMs, 'what is started meanwhile puts nothing off')
})

// In a region with many sandboxes the ends of processes in most of them would never be told.
test('sandboxes in which much is started keep none of the others from being asked', () => {
  const { awaited } = stage().commands
  const busy = Array.from({ length: LIMITS.commandLooksMax }, (_, n) => `sbx_busy_${n}`)
  let pid = 0
  for (const id of [...busy, 'sbx_quiet']) awaited.add(id, `p_${pid++}`, 'true', 0)
  const asked: string[] = []
  for (let nowMs = LIMITS.commandLookMs; nowMs <= 3 * LIMITS.commandLookMs; nowMs += LIMITS.commandLookMs) {
    const due = awaited.due(nowMs)
    assert.ok(due.length <= LIMITS.commandLooksMax)
    asked.push(...due)
    for (const id of due) awaited.postpone(id, nowMs)
    for (const id of busy) awaited.add(id, `p_${pid++}`, 'true', nowMs)
  }
  assert.ok(asked.includes('sbx_quiet'))
})
