/** A host that begins something in a machine and is gone without a word, as one that was killed. */
import { once } from 'node:events'
import { connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { closePorts, shakeHands } from '../../../origin/hostd/guest/handshake.ts'
import type { Machine } from './machine.ts'
import { UNWATCHED } from './unwatched.ts'

/** So that what has begun is in the middle of it. */
const MIDDLE_MS = 1_000

export async function beginAndVanish(
  { dataPath, controlPath }: Machine,
  path: string,
  orders: object[],
): Promise<void> {
  const ports = await shakeHands({ ...UNWATCHED, dataPath, controlPath, signal: AbortSignal.timeout(120_000) })
  const session = connect('http://guest', { createConnection: () => ports.data }).on('error', () => {})
  const begun = orders.map(async (order) => {
    const stream = session.request({ ':method': 'POST', ':path': path }).on('error', () => {})
    stream.end(JSON.stringify(order))
    // The first that is heard says that it has started.
    await once(stream, 'data')
  })
  await Promise.all(begun)
  await sleep(MIDDLE_MS)
  closePorts(ports)
}
