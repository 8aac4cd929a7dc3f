/**
 * Every route that a tenant may ask, in one list: the edge routes by it, and the API's document is made from it.
 * What only our own machines or operators ask is not in here.
 */
import type { Route } from './route.ts'
import { SANDBOX_ROUTES } from './sandboxes.ts'
import { USAGE_ROUTES } from './usage.ts'

export const ALL_ROUTES: readonly Route[] = [SANDBOX_ROUTES, USAGE_ROUTES].flatMap((group): Route[] =>
  Object.values(group),
)
