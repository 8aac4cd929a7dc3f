/** The daemon of one host: it makes machines so, keeps them, and answers on a unix socket, and over TLS if it is told to. */
import { buildApp } from './app.ts'
import { readConfig } from './config.ts'
import { asWritten } from './http/as-written.ts'
import { openNetwork } from './join/open-network.ts'
import { listen } from './listen.ts'
import { describe, logTo } from './log.ts'
import { keepStandby } from './standby/keep-standby.ts'
import { startHost } from './start-host.ts'
import { type Ending, stopHost } from './stop-host.ts'
import { keepShelf } from './template/keep-shelf.ts'
import { startClock } from './vm/clock.ts'

const log = logTo((line) => process.stderr.write(line), Date.now)

async function main(): Promise<void> {
  const stopping = firstSignal()
  const config = readConfig(process.env)
  const draining = new AbortController()
  const host = await startHost(config, draining.signal, log)
  startClock(host)
  keepStandby(host, config.standbyAfterSec * 1_000)
  keepShelf(host, config.imageDir)
  host.pool.open()
  const fetch = asWritten(buildApp(host).fetch)
  const servers = [await listen(fetch, config.socket)]
  log('listening', { socket: config.socket })
  const network = await openNetwork(config, fetch, draining.signal, log)
  servers.push(...network.servers)

  const ending = await Promise.race([stopping, network.refused])
  log('stopping', { ending })
  draining.abort()
  await stopHost(host, servers, ending === 'refused' ? 'keep-sandboxes' : ending)
  if (ending === 'refused') throw new Error('The region does not take this host in; the line join-refused says why.')
}

/**
 * Listened for from the beginning, so that a stop during the start is an orderly one, too. Only the first signal counts: a
 * supervisor that dies with several threads is told of by the kernel several times. Who cannot wait has SIGKILL.
 */
function firstSignal(): Promise<Ending> {
  return new Promise((resolve) => {
    process.on('SIGTERM', () => resolve('keep-sandboxes'))
    process.on('SIGUSR2', () => resolve('evacuate'))
    process.on('SIGINT', () => resolve('end-sandboxes'))
  })
}

main().then(
  () => process.exit(0),
  (error) => {
    log('failed', describe(error))
    process.exit(1)
  },
)
