/** One suite, run against every database driver: whatever holds on one must hold on the others. */
import { after, before, describe } from 'node:test'
import type { Driver, TestServer } from '../support/databases.ts'
import { startRegion, type TestRegion } from '../support/region.ts'
import { accountPromises } from './accounts.ts'
import { admissionPromises } from './admission.ts'
import { callSharePromises } from './call-shares.ts'
import { catalogPromises } from './catalog.ts'
import { codePromises } from './code.ts'
import { commandPromises } from './commands.ts'
import { constantPromises } from './constants.ts'
import { databasePromises } from './database-gone.ts'
import { documentPromises } from './documents.ts'
import { egressPromises } from './egress.ts'
import { egressAuditPromises } from './egress-audit.ts'
import { egressSecretPromises } from './egress-secrets.ts'
import { eventPromises } from './events.ts'
import { failurePromises } from './failures.ts'
import { followingPromises } from './following.ts'
import { forkPromises } from './forks.ts'
import { HOSTS_ENV, hostPromises } from './hosts.ts'
import { idempotencyPromises } from './idempotency.ts'
import { inspectionPromises } from './inspection.ts'
import { keyPromises } from './keys.ts'
import { lifecyclePromises } from './lifecycle.ts'
import { listPromises } from './lists.ts'
import { mergePromises } from './merges.ts'
import { meteringPromises } from './metering.ts'
import { orphanPromises } from './orphans.ts'
import { pilePromises } from './piles.ts'
import { podflarePromises } from './podflare.ts'
import { previewPromises } from './previews.ts'
import { processPromises } from './processes.ts'
import { pushingPromises } from './pushing.ts'
import { racePromises } from './races.ts'
import { ratePromises } from './rates.ts'
import { reconcilePromises } from './reconcile.ts'
import { REQUESTS_ENV, requestPromises } from './requests.ts'
import { severalPromises } from './several.ts'
import { sharePromises } from './shares.ts'
import { snapshotPromises } from './snapshots.ts'
import { spacePromises } from './spaces.ts'
import { stopPromises } from './stops.ts'
import { templatePromises } from './templates.ts'
import { terminalPromises } from './terminals.ts'
import { tokenPromises } from './tokens.ts'
import { upkeepPromises } from './upkeep.ts'
import { usagePromises } from './usage.ts'
import { visitorPromises } from './visitors.ts'
import { webhookPromises } from './webhooks.ts'

export function holdPromisesOn(driver: Driver): void {
  describe(`the controller on ${driver.name}`, { timeout: 880_000 }, () => {
    let server: TestServer | undefined
    before(async () => {
      server = await driver.open()
    })
    after(() => server?.remove())

    const group = (
      name: string,
      hosts: number,
      promises: (regionOf: () => TestRegion, server: () => TestServer) => void,
      env: Record<string, string> = {},
    ) =>
      describe(name, () => {
        let region: TestRegion | undefined
        before(async () => {
          region = await startRegion(await given(server).createDatabase(), { hosts, env })
        })
        after(() => region?.close())
        promises(
          () => given(region),
          () => given(server),
        )
      })

    group('requests', 1, requestPromises, REQUESTS_ENV)
    group('admission', 2, admissionPromises)
    group('lifecycle', 1, lifecyclePromises)
    group('lists', 1, listPromises)
    group('races', 1, racePromises)
    group('podflare', 1, podflarePromises)
    group('rates', 1, ratePromises)
    group('shares', 1, sharePromises)
    group('idempotency', 1, idempotencyPromises)
    group('orphans', 1, orphanPromises)
    group('failures', 2, failurePromises)
    group('stops', 1, stopPromises)
    group('snapshots', 1, snapshotPromises)
    group('forks', 2, forkPromises)
    group('merges', 1, mergePromises)
    group('spaces', 1, spacePromises)
    group('templates', 1, templatePromises)
    group('accounts', 1, accountPromises)
    group('keys', 1, keyPromises)
    group('tokens', 1, tokenPromises)
    group('following', 1, followingPromises)
    group('pushing', 1, pushingPromises)
    group('reconciliation', 1, reconcilePromises)
    group('metering', 1, meteringPromises)
    group('catalog', 1, catalogPromises)
    group('inspection', 1, inspectionPromises)
    group('previews', 1, previewPromises)
    group('processes', 1, processPromises)
    group('terminals', 1, terminalPromises)
    group('code', 1, codePromises)
    group('call shares', 1, callSharePromises)
    group('commands', 1, commandPromises)
    group('visitors', 1, visitorPromises)
    group('usage', 1, usagePromises)
    group('piles', 1, pilePromises)
    group('events', 1, eventPromises)
    group('webhooks', 1, webhookPromises)
    group('egress', 1, egressPromises)
    group('egress secrets', 1, egressSecretPromises)
    group('egress audit', 1, egressAuditPromises)
    group('constants', 1, constantPromises)
    group('documents', 1, documentPromises)
    group('upkeep', 1, upkeepPromises)
    group('hosts', 1, hostPromises, HOSTS_ENV)
    group('several controllers', 1, severalPromises)
    group('the database', 1, databasePromises)
  })
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The set-up of this test failed.')
  return value
}
