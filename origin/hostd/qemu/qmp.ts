/**
 * QEMU's control channel: one JSON object a line, commands answered in any order by id, events in between.
 *
 * A guest that broke out of its machine would write here too, so lines are bounded and anything odd ends the connection.
 */
import { createConnection, type Socket } from 'node:net'
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

const messageSchema = z.object({
  id: z.int().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.unknown().optional(),
})

/** Hears the name of an event, and what QEMU says of it. */
type Listener = (event: string, data: unknown) => void
type Waiting = { resolve: (value: unknown) => void; reject: (error: Error) => void }

export class Qmp {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<Listener>()
  #nextId = 1
  #rest = ''
  /** Resolves when the connection has ended, which is when QEMU has. */
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#read(text))
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#failAll())
  }

  /** Connects and negotiates. Rejects with the socket's own error while QEMU does not listen yet. */
  static async connect(path: string): Promise<Qmp> {
    const socket = createConnection(path)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const qmp = new Qmp(socket)
    await qmp.command('qmp_capabilities')
    return qmp
  }

  /** Sends one command at once. Throws AppError('internal') when QEMU refuses, does not answer in time, or is gone. */
  command(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const id = this.#nextId++
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => this.#socket.destroy(), LIMITS.qmpTimeoutMs)
      const settle = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer)
          then(value)
        }
      }
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
    })
    if (this.#socket.destroyed) this.#failAll()
    else this.#socket.write(`${JSON.stringify({ execute, arguments: args, id })}\n`)
    return answer
  }

  /** Calls `listener` with every event until the connection ends. */
  onEvent(listener: Listener): void {
    this.#listeners.add(listener)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#rest += text
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > LIMITS.qmpLineBytesMax) return void this.#socket.destroy()
    for (const line of lines) this.#take(line)
  }

  #take(line: string): void {
    const message = parseMessage(line)
    if (message === null) return void this.#socket.destroy()
    if (message.event !== undefined) {
      for (const listener of this.#listeners) listener(message.event, message.data)
      return
    }
    if (message.id === undefined) return
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.return)
    else waiting?.reject(refusal(message.error.desc))
  }

  #failAll(): void {
    for (const waiting of this.#waiting.values()) waiting.reject(refusal('The machine has ended.'))
    this.#waiting.clear()
  }
}

function parseMessage(line: string): z.infer<typeof messageSchema> | null {
  try {
    return messageSchema.parse(JSON.parse(line))
  } catch {
    return null
  }
}

const refusal = (detail: string): AppError =>
  new AppError('internal', 'The machine did not do what the host asked of it.', { detail: `QMP: ${detail}` })
