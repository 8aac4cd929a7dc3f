/** What the home region tells of keys and tiers, written to KV. Only it writes there, in order; what fails it says again. */
import type { Hono } from 'hono'
import { EDGE_RECORDS_PATH, edgeRecords } from '../../shared/contracts/account-feed.ts'
import { LIMITS } from '../../shared/limits.ts'
import type { Edge } from '../bindings.ts'
import { internalBody } from '../requests/internal-body.ts'
import { forgetKey } from './find-key.ts'

export function serveRecords(app: Hono<Edge>): void {
  app.put(EDGE_RECORDS_PATH, async (c) => {
    const { keys, tiers } = await internalBody(c, edgeRecords, LIMITS.edgePushBytesMax)
    await Promise.all([
      ...keys.map(({ hash, record }) => c.env.KEYS.put(`k:${hash}`, JSON.stringify(record))),
      ...(tiers === undefined ? [] : [c.env.CONFIG.put('tiers:v1', JSON.stringify(tiers))]),
    ])
    // Other isolates hear of it when their copies are old.
    for (const { hash } of keys) forgetKey(hash)
    return c.body(null, 204)
  })
}
