/** What a build has said, in pages, or as it says it. A line is told only when it is written, so a reader that comes back misses none. */
import { setTimeout as sleep } from 'node:timers/promises'
import { and, asc, eq, gt } from 'drizzle-orm'
import type { BuildLogLine } from '../../../../shared/contracts/templates.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import type { Principal } from '../../accounts/principal.ts'
import type { Controller } from '../../controller.ts'
import type { Db } from '../../database/connect.ts'
import { templateBuildLog } from '../../database/schema/templates.ts'
import { heldStream } from '../../events/held-stream.ts'
import { drained } from '../../events/keep-publishing.ts'
import type { ServerEvent } from '../../http/event-stream.ts'
import { isEnded } from './build-life.ts'
import { readBuild } from './find-build.ts'

/** Oldest first. */
export async function readBuildLog(
  db: Pick<Db, 'select'>,
  build: string,
  { after, limit }: { after: number; limit: number },
): Promise<{ lines: BuildLogLine[]; next: number | null }> {
  const found = await db
    .select()
    .from(templateBuildLog)
    .where(and(eq(templateBuildLog.build, build), gt(templateBuildLog.seq, after)))
    .orderBy(asc(templateBuildLog.seq))
    .limit(limit + 1)
  const lines = found
    .slice(0, limit)
    .map(({ seq, step, stream, line, ts }) => ({ seq, step, stream, line, ts: ts.toISOString() }))
  return { lines, next: found.length > limit ? (lines.at(-1)?.seq ?? null) : null }
}

type LogRequest = { principal: Principal; build: string; after: number; caller: AbortSignal }

/** Throws draining, and stream_limit. */
export function openBuildLogStream(
  controller: Controller,
  { principal, build, after, caller }: LogRequest,
): ReadableStream<Uint8Array> {
  if (controller.isDraining()) throw drained()
  const stream = controller.events.streams.open(principal)
  return heldStream(stream, caller, (until) => follow(controller, build, after, until))
}

/** Ends with the build: the last event says what became of it. */
async function* follow(
  { database: { db } }: Controller,
  build: string,
  from: number,
  until: AbortSignal,
): AsyncGenerator<ServerEvent> {
  let after = from
  while (!until.aborted) {
    // Before its lines: what an ended build has said is all there when it has ended.
    const row = await readBuild(db, build)
    const { lines, next } = await readBuildLog(db, build, { after, limit: LIMITS.buildLogRowsMax })
    for (const line of lines) {
      after = line.seq
      yield { event: 'log', id: String(line.seq), data: { type: 'log', ...line } }
    }
    if (next !== null) continue
    if (row === undefined) return yield { event: 'end', data: { type: 'end', state: 'deleted' } }
    if (isEnded(row.state)) {
      const { state, version, error } = row
      return yield { event: 'end', data: { type: 'end', build_id: build, state, version, error } }
    }
    await sleep(LIMITS.buildLogPollMs, undefined, { signal: until }).catch(() => {})
  }
  // The reader is gone, or this is what it should hear.
  if (until.reason instanceof Error) throw until.reason
}
