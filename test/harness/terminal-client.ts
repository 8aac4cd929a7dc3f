/** A client of terminals as a browser has one: xterm.js's own parser and screen, on the WebSocket, without the pixels. */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { WebSocket } from 'ws'
import { TERMINAL_FRAME, TERMINAL_PROTOCOL } from '../../shared/terminal-frames.ts'
import { until } from './until.ts'

const { Terminal } = createRequire(import.meta.url)('@xterm/headless') as typeof import('@xterm/headless')

export type TerminalClient = {
  socket: WebSocket
  /** Every line that is on the screen or above it, joined. */
  text(): string
  /** Which of its two screens is shown: programs that fill it whole take the other one. */
  screen(): 'normal' | 'alternate'
  size(): { cols: number; rows: number }
  /** How many bytes the terminal had shown up to here: with it another connection goes on from here. */
  cursor(): number
  exitCode(): number | null
  /** As a person types. */
  type(text: string): void
  send(bytes: Uint8Array): void
  resize(cols: number, rows: number): void
  sees(text: string): Promise<void>
  closed: Promise<number>
}

export type Place = { headers?: Record<string, string>; cols?: number; rows?: number }

/** Resolves when it is connected. */
export async function connectTerminal(
  address: string,
  { headers = {}, cols = 80, rows = 24 }: Place = {},
): Promise<TerminalClient> {
  const socket = new WebSocket(address, [TERMINAL_PROTOCOL], { headers })
  const screen = new Terminal({ cols, rows, allowProposedApi: true })
  let cursor = 0
  let exitCode: number | null = null
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.on('message', (message: Buffer) => {
    const rest = message.subarray(1)
    switch (message[0]) {
      case TERMINAL_FRAME.stdout:
        cursor += rest.length
        return screen.write(rest)
      case TERMINAL_FRAME.place:
        cursor = Number(rest.readBigUInt64BE())
        return
      case TERMINAL_FRAME.resize:
        return screen.resize(rest.readUInt16BE(0), rest.readUInt16BE(2))
      case TERMINAL_FRAME.exit:
        exitCode = rest.readUInt32BE()
    }
  })
  const send = (type: number, bytes: Uint8Array): void => socket.send(Buffer.concat([Uint8Array.of(type), bytes]))
  // What the terminal is asked by programs, such as where its cursor is, it answers by itself.
  screen.onData((text) => send(TERMINAL_FRAME.stdin, Buffer.from(text)))
  const text = (): string => {
    const { active } = screen.buffer
    return Array.from({ length: active.length }, (_, line) => active.getLine(line)?.translateToString(true) ?? '').join(
      '\n',
    )
  }
  await once(socket, 'open')
  return {
    socket,
    text,
    closed,
    screen: () => screen.buffer.active.type,
    size: () => ({ cols: screen.cols, rows: screen.rows }),
    cursor: () => cursor,
    exitCode: () => exitCode,
    type: (typed) => screen.input(typed),
    send: (bytes) => send(TERMINAL_FRAME.stdin, bytes),
    resize(columns, lines) {
      screen.resize(columns, lines)
      const size = Buffer.alloc(4)
      size.writeUInt16BE(columns, 0)
      size.writeUInt16BE(lines, 2)
      send(TERMINAL_FRAME.resize, size)
    },
    sees: (wanted) => until(`"${wanted}" on the screen`, () => text().includes(wanted)),
  }
}
