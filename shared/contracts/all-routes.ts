/**
 * Every route that a tenant may ask, in one list: the edge routes by it, and the API's document is made from it.
 * What only our own machines or operators ask is not in here.
 */
import { ACCOUNT_ROUTES } from './accounts.ts'
import { CATALOG_ROUTES } from './catalog.ts'
import { CODE_ROUTES } from './code.ts'
import { EGRESS_ROUTES } from './egress.ts'
import { EGRESS_AUDIT_ROUTES } from './egress-audit.ts'
import { EGRESS_SECRET_ROUTES } from './egress-secrets.ts'
import { EVENT_ROUTES } from './events.ts'
import { EXPORT_ROUTES } from './file-exports.ts'
import { FS_ROUTES } from './file-system.ts'
import { FILE_ROUTES } from './files.ts'
import { MACHINE_ROUTES } from './hosts.ts'
import { INSPECTION_ROUTES } from './inspection.ts'
import { PODFLARE_ROUTES } from './podflare.ts'
import { PODFLARE_FILE_ROUTES } from './podflare-files.ts'
import { PREVIEW_ROUTES } from './previews.ts'
import { ENV_ROUTES, PROCESS_ROUTES } from './processes.ts'
import type { Route } from './route.ts'
import { SANDBOX_ROUTES } from './sandboxes.ts'
import { SNAPSHOT_ROUTES } from './snapshots.ts'
import { SPACE_ROUTES } from './spaces.ts'
import { TEMPLATE_ROUTES } from './templates.ts'
import { TERMINAL_ROUTES } from './terminals.ts'
import { USAGE_ROUTES } from './usage.ts'
import { WEBHOOK_ROUTES } from './webhooks.ts'

export const ALL_ROUTES: readonly Route[] = [
  SANDBOX_ROUTES,
  PROCESS_ROUTES,
  ENV_ROUTES,
  SNAPSHOT_ROUTES,
  SPACE_ROUTES,
  PODFLARE_ROUTES,
  PODFLARE_FILE_ROUTES,
  ACCOUNT_ROUTES,
  INSPECTION_ROUTES,
  PREVIEW_ROUTES,
  TERMINAL_ROUTES,
  CODE_ROUTES,
  MACHINE_ROUTES,
  USAGE_ROUTES,
  TEMPLATE_ROUTES,
  CATALOG_ROUTES,
  EVENT_ROUTES,
  WEBHOOK_ROUTES,
  FILE_ROUTES,
  EXPORT_ROUTES,
  FS_ROUTES,
  EGRESS_ROUTES,
  EGRESS_SECRET_ROUTES,
  EGRESS_AUDIT_ROUTES,
].flatMap((group): Route[] => Object.values(group))
