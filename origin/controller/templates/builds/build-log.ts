/**
 * Writes down what a build says: in batches, in order, and no more than a bound. What is dropped is dropped from the end, and the log says so.
 * Nothing is told before it is written, so whoever reads the table has read everything.
 */
import { sql } from 'drizzle-orm'
import type { BuildLogLine } from '../../../../shared/contracts/templates.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Controller } from '../../controller.ts'
import { isUniqueViolation } from '../../database/is-unique-violation.ts'
import { templateBuildLog } from '../../database/schema/templates.ts'
import { Overtaken } from './trouble.ts'

export type BuildLog = {
  add(stream: BuildLogLine['stream'], step: number | null, lines: readonly string[]): void
  /** Resolves when everything that was added is written. Throws Overtaken when another controller writes the same log. */
  flush(): Promise<void>
  /** Writes what is left, if it can. */
  close(): Promise<void>
}

type Line = typeof templateBuildLog.$inferInsert

/** The primary key of the table. */
const PLACE_TAKEN = 'template_build_log_build_seq_pk'
const DROPPED = 'The build says more than is kept; the rest of it is dropped.'

export async function openBuildLog({ database, clock }: Controller, build: string): Promise<BuildLog> {
  const { db } = database
  const { rows } = await db.execute<{ seq: number; bytes: number }>(sql`
    select coalesce(max(seq), 0)::integer as seq,
      coalesce(sum(octet_length(line) + ${LIMITS.buildLogLineOverheadBytes}), 0)::integer as bytes
    from template_build_log where build = ${build}`)
  let seq = rows[0]?.seq ?? 0
  let bytesLeft = LIMITS.buildLogBytesMax - (rows[0]?.bytes ?? 0)
  let waiting: Line[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  const write = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    while (waiting.length > 0) {
      const batch = waiting.slice(0, LIMITS.buildLogRowsMax)
      await db
        .insert(templateBuildLog)
        .values(batch)
        .catch((thrown: unknown) => {
          throw isUniqueViolation(thrown, PLACE_TAKEN) ? new Overtaken('Another controller writes this log.') : thrown
        })
      waiting = waiting.slice(batch.length)
    }
  }
  const soon = (): void => {
    timer ??= setTimeout(() => {
      writing = writing.then(write)
      // Whoever flushes hears of it.
      writing.catch(() => {})
    }, LIMITS.buildLogGatherMs)
  }
  const put = (stream: Line['stream'], step: number | null, line: string): void => {
    seq += 1
    waiting.push({ build, seq, step, stream, line, ts: new Date(clock()) })
    soon()
  }
  return {
    add(stream, step, lines) {
      for (const line of lines) {
        if (bytesLeft <= 0) return
        bytesLeft -= Buffer.byteLength(line) + LIMITS.buildLogLineOverheadBytes
        put(stream, step, line)
        if (bytesLeft <= 0) put('system', null, DROPPED)
      }
    },
    flush() {
      writing = writing.then(write)
      return writing
    },
    async close() {
      await writing.then(write).catch(() => {})
      clearTimeout(timer)
    },
  }
}
