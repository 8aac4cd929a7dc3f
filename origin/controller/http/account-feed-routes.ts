/** What the home region tells the other regions and the edge, behind the door of our own machines. */
import { ACCOUNT_FEED_ROUTES, type AccountPage } from '../../../shared/contracts/account-feed.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { recordOfFacts } from '../accounts/key-record.ts'
import { readChanges } from '../accounts/read-changes.ts'
import { readFloor, reissueBeyond } from '../accounts/reissue.ts'
import type { Db } from '../database/connect.ts'
import { json, type Serve } from './serve-route.ts'

export function serveAccountFeed(serve: Serve<null>): void {
  serve(ACCOUNT_FEED_ROUTES.changes, async ({ controller, query, caller }) => {
    const until = controller.clock() + query.wait_ms
    for (;;) {
      const page = await pageAfter(controller.database.db, query.after, query.limit)
      const leftMs = until - controller.clock()
      const isNews = page.place !== query.after
      if (isNews || leftMs <= 0 || caller.aborted || controller.isDraining()) return json({ data: page })
      // Not for long at a time, so that a server that is about to stop is not held up.
      await controller.accounts.news.wait(Math.min(leftMs, LIMITS.accountsRetryMs), caller)
    }
  })

  serve(ACCOUNT_FEED_ROUTES.key, async ({ controller, params }) => {
    const facts = await controller.accounts.finder.findNow(params.hash ?? '')
    return json({ data: facts === undefined ? null : recordOfFacts(facts) })
  })
}

/** Whoever has seen more than was ever written here has it from before this database was restored. */
async function pageAfter(db: Db, after: number, limit: number): Promise<AccountPage> {
  const page = await readChanges(db, after, limit)
  if (page.last < after) {
    await reissueBeyond(db, after)
    return pageAfter(db, after, limit)
  }
  const { place, isComplete, rows } = page
  return { place, is_complete: isComplete, rows, floor: await readFloor(db) }
}
