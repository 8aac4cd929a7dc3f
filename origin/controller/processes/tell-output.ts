/** Makes of the frames of a process what callers are told: lines, what is lost, and the end. The frames are a hostile agent's until parsed. */
import {
  type GuestProcessEnd,
  guestProcessEnd,
  outputPiece,
  processLost,
} from '../../../shared/contracts/guest-processes.ts'
import { FRAME, type Frame, FrameError, frameJson } from '../../../shared/frames.ts'
import type { ToldEvent } from '../http/told-events.ts'
import { type Line, LineCutter } from './line-cutter.ts'
import { type OutputCursor, writeCursor } from './output-cursor.ts'

const STREAMS = { [FRAME.stdout]: 'stdout', [FRAME.stderr]: 'stderr' } as const
type Stream = 'stdout' | 'stderr'

export class OutputTeller {
  #seq: number
  readonly #cutters: Record<Stream, LineCutter>
  readonly #clock: () => number
  /** How it ended, once the last frame was told: nothing may follow. */
  end: Pick<GuestProcessEnd, 'exit_code' | 'duration_ms' | 'reason'> | undefined

  constructor(from: OutputCursor, clock: () => number) {
    this.#seq = from.seq
    this.#cutters = { stdout: new LineCutter(from.stdout), stderr: new LineCutter(from.stderr) }
    this.#clock = clock
  }

  /** Throws FrameError and ZodError when this is no frame that may come now. */
  tell(frames: Iterable<Frame>): ToldEvent[] {
    const events: ToldEvent[] = []
    for (const frame of frames) {
      if (this.end !== undefined) throw new FrameError('Nothing follows the end of a process.')
      for (const event of this.#eventsOf(frame)) events.push(event)
    }
    return events
  }

  *#eventsOf(frame: Frame): Generator<ToldEvent> {
    switch (frame.type) {
      case FRAME.stdout:
      case FRAME.stderr:
        return yield* this.#output(STREAMS[frame.type], frame)
      case FRAME.lost:
        return yield* this.#lost(frame)
      case FRAME.exited:
        return yield* this.#exit(frame)
      default:
        throw new FrameError(`A process does not say frames of type ${frame.type}.`)
    }
  }

  *#output(stream: Stream, frame: Frame): Generator<ToldEvent> {
    const { position, atMs, bytes } = outputPiece(frame)
    const cutter = this.#cutters[stream]
    if (position !== cutter.position) throw new FrameError('Output comes in order, and what is lost is said to be.')
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (const line of cutter.push(piece)) yield this.#line(stream, line, atMs)
  }

  *#lost(frame: Frame): Generator<ToldEvent> {
    const lost = processLost.parse(frameJson(frame))
    yield* this.#rests()
    this.#cutters.stdout.skip(lost.stdout_bytes)
    this.#cutters.stderr.skip(lost.stderr_bytes)
    yield this.#event('lost', lost, this.#clock())
  }

  *#exit(frame: Frame): Generator<ToldEvent> {
    const { exit_code, duration_ms, reason, ended_at_ms } = guestProcessEnd.parse(frameJson(frame))
    yield* this.#rests()
    this.end = { exit_code, duration_ms, reason }
    yield this.#event('exit', this.end, ended_at_ms)
  }

  *#rests(): Generator<ToldEvent> {
    for (const stream of ['stdout', 'stderr'] as const)
      for (const line of this.#cutters[stream].end()) yield this.#line(stream, line, this.#clock())
  }

  #line(stream: Stream, { text, isPart }: Line, atMs: number): ToldEvent {
    return this.#event(stream, { line: text, ...(isPart ? { partial: true } : {}) }, atMs)
  }

  #event(type: string, data: Record<string, unknown>, atMs: number): ToldEvent {
    this.#seq += 1
    const { stdout, stderr } = this.#cutters
    const cursor = writeCursor({ seq: this.#seq, stdout: stdout.told, stderr: stderr.told })
    return { type, data, seq: this.#seq, atMs, cursor }
  }
}
