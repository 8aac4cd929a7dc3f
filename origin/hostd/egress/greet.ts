/** The first words of a connection that was let in by its name: whether they are TLS, and for whom. */
import type { Duplex } from 'node:stream'
import { LIMITS } from '../../../shared/limits.ts'
import { looksLikeTls, readClientHello } from './client-hello.ts'

export type Greeting =
  | { kind: 'tls'; bytes: Buffer; serverName: string | null }
  | { kind: 'other'; bytes: Buffer }
  /** It broke off, was too slow, or said something that only begins like TLS. */
  | { kind: 'none' }

/** What was read stands in `bytes`, and nowhere else. It waits no longer than for the head of a request. */
export async function readGreeting(connection: Duplex, early: Buffer): Promise<Greeting> {
  const patience = setTimeout(() => connection.destroy(), LIMITS.egressHeadMs)
  try {
    return await gather(connection, early)
  } finally {
    clearTimeout(patience)
  }
}

async function gather(connection: Duplex, early: Buffer): Promise<Greeting> {
  let bytes = early
  for (;;) {
    if (bytes.length > 0 && !looksLikeTls(bytes)) return { kind: 'other', bytes }
    if (bytes.length > 0) {
      const hello = readClientHello(bytes)
      if (hello.kind === 'hello') return { kind: 'tls', bytes, serverName: hello.serverName }
      if (hello.kind === 'garbled') return { kind: 'none' }
    }
    const chunk = await nextChunk(connection)
    if (chunk === null) return { kind: 'none' }
    bytes = Buffer.concat([bytes, chunk])
  }
}

/** Null at the end. It leaves the connection paused, with nothing of it lost. */
function nextChunk(connection: Duplex): Promise<Buffer | null> {
  return new Promise((resolve) => {
    if (connection.destroyed || connection.readableEnded) return resolve(null)
    const done = (chunk: Buffer | null): void => {
      connection.pause()
      connection.off('data', done).off('end', end).off('close', end).off('error', end)
      resolve(chunk)
    }
    const end = (): void => done(null)
    connection.on('data', done).once('end', end).once('close', end).once('error', end).resume()
  })
}
