/**
 * Joins a viewer's WebSocket to a conversation with the agent: each message is a frame and each frame a message, neither faster than it
 * is taken. Both sides are strangers: what is not of the protocol ends the connection, and nothing is kept but what is under way.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { AppError } from '../../../shared/errors.ts'
import { encodeFrame, FrameDecoder } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import {
  refusalOfMessage,
  TERMINAL_CLOSE,
  TERMINAL_FRAME,
  type TerminalFrameType,
} from '../../../shared/terminal-frames.ts'
import { closeCodeOf, closeReason } from './close-code.ts'
import { countMessages, holdSocket } from './hold-socket.ts'
import { watchPulse } from './watch-pulse.ts'

export type Ends = {
  viewer: WebSocket
  agent: Duplex
  /** Aborted, with an AppError as its reason, when the viewer must go. */
  mustEnd: AbortSignal
  /** Why the agent's side broke off. */
  whyCut: () => Promise<AppError>
}

const { stdout, exit, resize, place } = TERMINAL_FRAME
/** What an agent may say. */
const SPOKEN = { stdout, exit, resize, place } as const

/** Resolves with the close code when the viewer is gone. */
export async function carryTerminal({ viewer, agent, mustEnd, whyCut }: Ends): Promise<number> {
  const closed = new Promise<number>((resolve) => viewer.once('close', resolve))
  const end = (code: number, reason: string): void => endViewer(viewer, code, reason)
  const leave = (): void => sayGoodbye(agent)
  const endFor = (error: AppError): void => end(closeCodeOf(error), error.message)
  const onMustEnd = (): void => endFor(mustEnd.reason)
  mustEnd.addEventListener('abort', onMustEnd, { once: true })
  // A message that is too long, or no frame of a WebSocket: the socket itself closes with the code for it.
  viewer.on('error', () => {})
  watchPulse(viewer)
  const stopHearing = hear(viewer, agent, end)
  show(agent, viewer, end, () => void whyCut().then(endFor))
  if (mustEnd.aborted) onMustEnd()
  const code = await closed
  mustEnd.removeEventListener('abort', onMustEnd)
  stopHearing()
  leave()
  return code
}

/** What the viewer says, to the agent. Returns what ends it. */
function hear(viewer: WebSocket, agent: Duplex, end: (code: number, reason: string) => void): () => void {
  const { hold, letGo } = holdSocket(viewer)
  const messages = countMessages(() => letGo('too many messages'))
  const count = (): void => {
    if (messages.isOver()) hold('too many messages')
  }
  viewer.on('ping', count).on('pong', count)
  agent.on('drain', () => letGo('terminal is behind'))
  viewer.on('message', (data, isBinary) => {
    count()
    if (!isBinary) return end(TERMINAL_CLOSE.text, 'A terminal takes binary messages only.')
    if (!Buffer.isBuffer(data)) return
    const refusal = refusalOfMessage(data)
    if (refusal !== null) return end(TERMINAL_CLOSE.refused, refusal)
    if (viewer.readyState !== viewer.OPEN || !agent.writable) return
    if (!agent.write(encodeFrame(data[0] ?? 0, data.subarray(1)))) hold('terminal is behind')
  })
  return messages.stop
}

/** What the agent shows, to the viewer. */
function show(agent: Duplex, viewer: WebSocket, end: (code: number, reason: string) => void, cut: () => void): void {
  const decoder = new FrameDecoder<TerminalFrameType>(SPOKEN)
  let isOver = false
  const send = (bytes: Uint8Array): void => {
    viewer.send(bytes, () => {
      if (viewer.bufferedAmount < LIMITS.terminalQueueBytesMax / 2) agent.resume()
    })
    if (viewer.bufferedAmount > LIMITS.terminalQueueBytesMax) agent.pause()
  }
  agent.on('data', (chunk: Uint8Array) => {
    try {
      for (const { type, payload } of decoder.push(chunk)) {
        if (viewer.readyState !== viewer.OPEN) return
        send(Buffer.concat([Uint8Array.of(type), payload]))
        if (type === TERMINAL_FRAME.exit) isOver = true
      }
    } catch {
      agent.destroy()
      end(TERMINAL_CLOSE.failed, 'The agent in the sandbox said what is no terminal’s.')
    }
  })
  const finish = once(() => {
    if (isOver) end(TERMINAL_CLOSE.over, 'The shell has ended.')
    else if (viewer.readyState === viewer.OPEN) cut()
  })
  // The end of what it says comes before its close, which waits for the end of what is said to it.
  agent
    .on('error', () => {})
    .once('end', finish)
    .once('close', finish)
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) work()
    isDone = true
  }
}

/** Hangs up on whoever does not do it themselves. */
function endViewer(viewer: WebSocket, code: number, reason: string): void {
  if (viewer.readyState !== viewer.OPEN) return
  viewer.resume()
  viewer.close(code, closeReason(reason))
  const timer = setTimeout(() => viewer.terminate(), LIMITS.visitorGoodbyeMs)
  viewer.once('close', () => clearTimeout(timer))
}

/** What was typed last still arrives: the agent ends the conversation when it has heard the end. */
function sayGoodbye(agent: Duplex): void {
  if (agent.destroyed) return
  agent.resume().end()
  const timer = setTimeout(() => agent.destroy(), LIMITS.visitorGoodbyeMs)
  agent.once('close', () => clearTimeout(timer))
}
