/** A host that begins something in a machine and is gone without a word, as one that was killed. */
import { connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { closePorts, shakeHands } from '../../../origin/hostd/guest/handshake.ts'
import type { Machine } from './machine.ts'
import { UNWATCHED } from './unwatched.ts'

/** Long enough to be begun. */
const BEGIN_MS = 1_000

export async function beginAndVanish(
  { dataPath, controlPath }: Machine,
  path: string,
  orders: object[],
): Promise<void> {
  const ports = await shakeHands({ ...UNWATCHED, dataPath, controlPath, signal: AbortSignal.timeout(30_000) })
  const session = connect('http://guest', { createConnection: () => ports.data }).on('error', () => {})
  for (const order of orders) {
    const stream = session.request({ ':method': 'POST', ':path': path }).on('error', () => {})
    stream.resume().end(JSON.stringify(order))
  }
  await sleep(BEGIN_MS)
  closePorts(ports)
}
