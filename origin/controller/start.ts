/** The stages of a start, in order, and of the stop, in reverse. */
import type { Route } from '../../shared/contracts/route.ts'
import { createAccounts } from './accounts/accounts.ts'
import { createKeyReader } from './accounts/api-keys.ts'
import { createEdgeTokenReader } from './accounts/edge-tokens.ts'
import { keepAccounts } from './accounts/keep-accounts.ts'
import { readSeed, seedAccounts, seedTiers } from './accounts/seed.ts'
import { createApp } from './app.ts'
import { createBackground } from './background.ts'
import { createCommands } from './commands/commands.ts'
import { keepTelling } from './commands/keep-telling.ts'
import type { Config, DatabaseConfig } from './config.ts'
import type { Controller } from './controller.ts'
import { openDatabase } from './database/connect.ts'
import { startEmbedded } from './database/embedded.ts'
import { migrateDatabase } from './database/migrate.ts'
import { openRegionClock } from './database/region-clock.ts'
import { createEvents } from './events/events.ts'
import { keepPublishing } from './events/keep-publishing.ts'
import { createCallShares } from './hosts/call-shares.ts'
import type { Host } from './hosts/client.ts'
import { keepPolling } from './hosts/poll.ts'
import { openRoster } from './hosts/roster.ts'
import { anyUpgrades } from './http/any-upgrades.ts'
import { authenticate, type Credentials } from './http/authenticate.ts'
import { type Door, openDoor, type Watch } from './http/door.ts'
import { limitRate } from './http/limit-rate.ts'
import { recordRequest } from './http/record-request.ts'
import { tenantDoor } from './http/serve-route.ts'
import { createInFlight } from './in-flight.ts'
import { joinRegion } from './instance.ts'
import { describeError, type Log } from './log.ts'
import { createMetrics } from './metrics/instruments.ts'
import { observeRegion } from './metrics/observe-region.ts'
import { createLedger } from './placement/ledger.ts'
import { createPreviews } from './previews/previews.ts'
import { visitorUpgrades } from './previews/visitor-upgrades.ts'
import { type Authority, aloneAuthority, edgeAuthority } from './quota/authority.ts'
import { forfeitIfDead } from './quota/forfeit.ts'
import { keepShares } from './quota/keep-shares.ts'
import { createQuota } from './quota/quota.ts'
import { createMatching } from './reconcile/match-hosts.ts'
import { keepReconciling } from './reconcile/reconcile.ts'
import type { Repeating } from './repeat.ts'
import { createStateWatch } from './sandboxes/state-watch.ts'
import { keepBuilding } from './templates/builds/keep-building.ts'
import { terminalUpgrades } from './terminals/terminal-upgrades.ts'
import { keepDelivering } from './webhooks/deliver.ts'
import { publicNames, systemNames } from './webhooks/name-servers.ts'
import { createOwnPlaces } from './webhooks/own-places.ts'
import type { Bounds } from './webhooks/public-address.ts'
import { createSender } from './webhooks/send-delivery.ts'

export type Seams = { log: Log; random: (bytes: number) => Uint8Array }
export type RunningController = { controller: Controller; address: Door['address']; stop(): Promise<void> }

/** Throws when a stage fails, after the stages before it have been undone: nothing is left running. */
export async function startController(config: Config, seams: Seams): Promise<RunningController> {
  const undo: Undo[] = []
  try {
    return await startStages(config, seams, undo)
  } catch (err) {
    await undoAll(undo, seams.log)
    throw err
  }
}

type Undo = () => Promise<unknown>

/** Each step, whatever becomes of those before it: one that fails must not leave the others' things running. */
async function undoAll(undo: Undo[], log: Log): Promise<void> {
  for (const step of undo.splice(0).reverse())
    await step().catch((err: unknown) => log('error', 'controller.not_undone', { error: describeError(err) }))
}

async function startStages(config: Config, seams: Seams, undo: Undo[]): Promise<RunningController> {
  const { log } = seams
  const server = await locateDatabase(config.database, log)
  undo.push(server.stop)
  await migrateDatabase(server.url)
  const database = openDatabase(server.url, log)
  undo.push(database.close)
  if (config.homeUrl === undefined) await seedTiers(database.db)
  if (config.homeUrl === undefined && config.seedFile !== undefined)
    await seedAccounts(database.db, await readSeed(config.seedFile))
  const { now: clock, stop: stopClock } = await openRegionClock(database.pool, log)
  undo.push(stopClock)
  const authority = authorityOf(config)
  if (authority.isShared && (await forfeitIfDead(database))) log('info', 'quota.shares_given_up', {})
  const instance = await joinRegion(server.url, log)
  undo.push(instance.close)

  const hosts = new Map<string, Host>()
  const metrics = createMetrics()
  let draining = false
  const accounts = createAccounts(database.db, config, clock)
  const events = createEvents(database.db, config.keyPepper, config.region.code)
  const controller: Controller = {
    ...seams,
    clock,
    region: config.region,
    regions: config.regions,
    policy: { defaultSize: config.defaultSize, templateAliases: config.templateAliases },
    egress: config.egress,
    database,
    accounts,
    events,
    commands: createCommands({ db: database.db, clock, log, written: () => events.written() }),
    webhooks: createSender(boundsOf(config, clock), clock),
    previews: createPreviews(config, accounts.secrets.shareSecret, clock),
    hosts,
    hostRules: config.hostRules,
    callShares: createCallShares(),
    ledger: createLedger(() => performance.now()),
    instance,
    inFlight: createInFlight(),
    background: createBackground(log),
    states: createStateWatch(database.db, log),
    isDraining: () => draining,
    metrics,
    quota: createQuota(database.db, authority, { region: config.region.code, log, metrics, clock }),
  }
  observeRegion(controller)
  const match = createMatching(controller)
  const attend = (host: Host): Repeating[] => [keepPolling(controller, host), ...match(host)]
  const roster = await openRoster(controller, { hosts, configured: config.hosts, attend })
  undo.push(roster.stop)
  // After all who tell of commands have ended, and nobody else writes.
  undo.push(controller.commands.write)
  const repeating = [
    ...keepReconciling(controller),
    ...keepAccounts(controller),
    ...keepPublishing(controller),
    ...keepTelling(controller),
    ...keepShares(controller),
    keepDelivering(controller),
    keepBuilding(controller),
  ]
  undo.push(() => Promise.all(repeating.map((work) => work.stop())))

  undo.push(controller.background.drain)
  const credentials = credentialsOf(config, controller)
  const tenants = tenantDoor(limitRate((arrival, route: Route) => authenticate(credentials, arrival, route)))
  const app = createApp(controller, credentials, tenants)
  const upgrades = anyUpgrades(visitorUpgrades(controller), terminalUpgrades(controller, tenants))
  const record: Watch = (request, response) => recordRequest(controller, request, response)
  const door = await openDoor(app, config.listen, record, upgrades)
  undo.push(door.close)
  log('info', 'controller.listening', { ...door.address, region: config.region.code, instance: instance.number })
  const stop = async (): Promise<void> => {
    draining = true
    await instance.resign()
    await undoAll(undo, log)
  }
  return { controller, address: door.address, stop }
}

const credentialsOf = (config: Config, { accounts, clock }: Controller): Credentials => ({
  accounts,
  readKey: createKeyReader(accounts, clock),
  readEdgeToken:
    config.edgeKeys === undefined ? undefined : createEdgeTokenReader(config.edgeKeys, config.region.code, clock),
  internalTokens: config.internalTokensBelieved,
  operatorToken: config.operatorToken,
})

/** Without an edge to ask, this region is the only one. */
const authorityOf = ({ quotaUrl, internalToken }: Config): Authority =>
  quotaUrl === undefined ? aloneAuthority() : edgeAuthority(quotaUrl, internalToken)

function boundsOf(config: Config, clock: () => number): Bounds {
  const names = config.webhookReach === 'public' ? publicNames() : systemNames
  return { reach: config.webhookReach, names, own: createOwnPlaces(config, names, clock) }
}

async function locateDatabase(config: DatabaseConfig, log: Log): Promise<{ url: string; stop(): Promise<void> }> {
  return config.kind === 'url' ? { url: config.url, stop: async () => {} } : startEmbedded(config, log)
}
