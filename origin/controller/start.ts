/** The stages of a start, in order, and of the stop, in reverse. */
import { createKeyReader } from './accounts/api-keys.ts'
import { createEdgeTokenReader } from './accounts/edge-tokens.ts'
import { readSeed, seedAccounts, seedTiers } from './accounts/seed.ts'
import { createApp } from './app.ts'
import type { Config, DatabaseConfig } from './config.ts'
import type { Controller } from './controller.ts'
import { openDatabase } from './database/connect.ts'
import { startEmbedded } from './database/embedded.ts'
import { migrateDatabase } from './database/migrate.ts'
import { connectHost } from './hosts/client.ts'
import { pollHost, pollHosts } from './hosts/poll.ts'
import { type Door, openDoor } from './http/door.ts'
import { joinRegion } from './instance.ts'
import type { Log } from './log.ts'
import { createLedger } from './placement/ledger.ts'
import { keepReconciling } from './reconcile/reconcile.ts'

export type Seams = { log: Log; clock: () => number; random: (bytes: number) => Uint8Array }
export type RunningController = { controller: Controller; address: Door['address']; stop(): Promise<void> }

export async function startController(config: Config, seams: Seams): Promise<RunningController> {
  const { log, clock } = seams
  const server = await locateDatabase(config.database, log)
  await migrateDatabase(server.url)
  const database = openDatabase(server.url, log)
  await seedTiers(database.db)
  if (config.seedFile !== undefined) await seedAccounts(database.db, await readSeed(config.seedFile))
  const instance = await joinRegion(server.url, log)

  let draining = false
  const controller: Controller = {
    ...seams,
    region: config.region,
    policy: { defaultSize: config.defaultSize, templateAliases: config.templateAliases },
    database,
    hosts: new Map(config.hosts.map((address) => [address.name, connectHost(address)])),
    ledger: createLedger(clock),
    instance,
    inFlight: new Set(),
    isDraining: () => draining,
  }
  // A host that is not there yet is found by the next poll.
  await Promise.allSettled([...controller.hosts.values()].map((host) => pollHost(controller, host)))
  const repeating = [...pollHosts(controller), ...keepReconciling(controller)]
  const app = createApp(controller, {
    readKey: createKeyReader(database.db, config.keyPepper, clock),
    readEdgeToken:
      config.edgeKeys === undefined ? undefined : createEdgeTokenReader(config.edgeKeys, config.region.code, clock),
    internalToken: config.internalToken,
  })
  const door = await openDoor(app, config.listen)
  log('info', 'controller.listening', { ...door.address, region: config.region.code, instance: instance.number })

  const stop = async (): Promise<void> => {
    draining = true
    await door.close()
    await Promise.all(repeating.map((work) => work.stop()))
    await Promise.all([...controller.hosts.values()].map((host) => host.close()))
    await instance.close()
    await database.close()
    await server.stop()
  }
  return { controller, address: door.address, stop }
}

async function locateDatabase(config: DatabaseConfig, log: Log): Promise<{ url: string; stop(): Promise<void> }> {
  return config.kind === 'url' ? { url: config.url, stop: async () => {} } : startEmbedded(config, log)
}
