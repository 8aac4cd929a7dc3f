/**
 * The three lines that begin a session, each on its own so that whatever an earlier session left in the pipes is dropped:
 *
 *   control port   host:  keep              only to a machine whose commands should go on, though nobody hears them
 *   control port   host:  hello NONCE
 *   data port      guest: \nready NONCE\n   everything before it belongs to somebody else
 *   data port      host:  \nbegin NONCE\n   the guest drops everything before it, too
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { connectPort } from './connect-port.ts'
import { BrokenRules } from './violation.ts'

export type Ports = { data: Socket; control: Socket }
type Paths = { dataPath: string; controlPath: string; signal: AbortSignal; keepsCommands?: boolean }

/**
 * The two ports of a guest that is ready for HTTP/2 on the first one. A guest that is still booting reads the hello when
 * it is up; one that lost it is asked again, until the signal ends it. Fails with guest_unreachable.
 */
export async function shakeHands({ dataPath, controlPath, signal, keepsCommands = false }: Paths): Promise<Ports> {
  try {
    const ports = await connectPorts(dataPath, controlPath, signal)
    return await greetUntilReady(ports, signal, keepsCommands ? 'keep\n' : '')
  } catch (cause) {
    throw cause instanceof AppError ? cause : unreachable('The agent in the sandbox cannot be reached.', cause)
  }
}

async function connectPorts(dataPath: string, controlPath: string, signal: AbortSignal): Promise<Ports> {
  const data = await connectPort(dataPath, signal)
  try {
    return { data, control: await connectPort(controlPath, signal) }
  } catch (cause) {
    data.destroy()
    throw cause
  }
}

async function greetUntilReady(ports: Ports, signal: AbortSignal, preface: string): Promise<Ports> {
  const giveUp = () => closePorts(ports)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    signal.throwIfAborted()
    for (;;) if (await greet(ports, preface)) return ports
  } catch (cause) {
    closePorts(ports)
    throw cause
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

export function closePorts({ data, control }: Ports): void {
  data.destroy()
  control.destroy()
}

export const unreachable = (message: string, cause?: unknown): AppError =>
  new AppError('guest_unreachable', message, { cause })

const noise = (): AppError => unreachable('The sandbox does not stop talking.', new BrokenRules('flood'))

/** One hello. False when no answer came in time. */
async function greet({ data, control }: Ports, preface: string): Promise<boolean> {
  const nonce = randomBytes(16).toString('hex')
  const ready = readThrough(data, Buffer.from(`\nready ${nonce}\n`))
  control.write(`${preface}hello ${nonce}\n`)
  if (!(await ready)) return false
  data.write(`\nbegin ${nonce}\n`)
  return true
}

/** Drops what a socket says, up to and including the mark. False when the mark did not come within the limit. */
function readThrough(socket: Socket, mark: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let tail = Buffer.alloc(0)
    const settle = (end: () => void) => {
      clearTimeout(timer)
      socket.pause().off('data', onData).off('close', onClose)
      end()
    }
    let droppedBytes = 0
    const onData = (chunk: Buffer) => {
      droppedBytes += chunk.length
      if (droppedBytes > LIMITS.guestNoiseBytesMax) return settle(() => reject(noise()))
      const seen = Buffer.concat([tail, chunk])
      const at = seen.indexOf(mark)
      if (at < 0) {
        tail = seen.subarray(-mark.length)
        return
      }
      const rest = seen.subarray(at + mark.length)
      settle(() => resolve(true))
      if (rest.length > 0) socket.unshift(rest)
    }
    const onClose = () => settle(() => reject(unreachable('The sandbox closed its port.')))
    const timer = setTimeout(() => settle(() => resolve(false)), LIMITS.guestHandshakeMs)
    if (socket.destroyed) return onClose()
    socket.on('data', onData).on('close', onClose).resume()
  })
}
