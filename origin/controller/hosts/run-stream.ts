/** Reads the frames of one command into an answer. The bytes come from a hostile guest by way of the host: bounded, and parsed by schema. */
import { type ExecExit, execExit } from '../../../shared/contracts/guest.ts'
import { type HostReady, hostReady } from '../../../shared/contracts/host.ts'
import { FRAME, type Frame, FrameDecoder, FrameError, frameJson } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { GrownBytes } from '../grown-bytes.ts'
import { type Trouble, troubleOfFrame, troubleOfThrown } from './outcome.ts'

export type RunWatch = {
  onProvisioning?: () => void
  onReady?: (ready: HostReady) => void
  /** The command runs. */
  onStarted?: () => void
  /** The bytes are good only during the call. */
  onOutput?: (stream: 'stdout' | 'stderr', bytes: Uint8Array) => void
}

/** `exit` is null when no command was asked for. */
export type Run = { kind: 'ran'; ready: HostReady | null; exit: CommandEnd | null }
export type CommandEnd = { facts: ExecExit; stdout: Buffer; stderr: Buffer; truncated: boolean }

/** Ends with the stream. Whether the frames that came are enough is for the caller to say: it knows whether there was a command. */
export async function readRun(body: AsyncIterable<Uint8Array>, watch: RunWatch): Promise<Run | Trouble> {
  const decoder = new FrameDecoder()
  const stdout = boundedBuffer()
  const stderr = boundedBuffer()
  let ready: HostReady | null = null
  let exit: CommandEnd | null = null

  /** Trouble when the frame is the host's word that it failed. */
  const take = (frame: Frame): Trouble | undefined => {
    switch (frame.type) {
      case FRAME.provisioning:
        watch.onProvisioning?.()
        return undefined
      case FRAME.ready:
        ready = hostReady.parse(frameJson(frame))
        watch.onReady?.(ready)
        return undefined
      case FRAME.started:
        watch.onStarted?.()
        return undefined
      case FRAME.stdout:
        stdout.push(frame.payload)
        watch.onOutput?.('stdout', frame.payload)
        return undefined
      case FRAME.stderr:
        stderr.push(frame.payload)
        watch.onOutput?.('stderr', frame.payload)
        return undefined
      case FRAME.exited: {
        const facts = execExit.parse(frameJson(frame))
        const truncated = facts.stdout_truncated || facts.stderr_truncated || stdout.overflowed || stderr.overflowed
        exit = { facts, stdout: stdout.take(), stderr: stderr.take(), truncated }
        return undefined
      }
      case FRAME.error:
        return troubleOfFrame(frameJson(frame))
      case FRAME.lost:
        throw new FrameError('Nothing is lost of a command whose caller is waited for.')
    }
  }

  try {
    for await (const chunk of body)
      for (const frame of decoder.push(chunk)) {
        const trouble = take(frame)
        if (trouble !== undefined) return trouble
      }
    return decoder.isAtBoundary
      ? { kind: 'ran', ready, exit }
      : troubleOfThrown(new Error('The frames were cut short.'))
  } catch (thrown) {
    return troubleOfThrown(thrown)
  }
}

function boundedBuffer() {
  const held = new GrownBytes()
  return {
    overflowed: false,
    push(chunk: Uint8Array) {
      const kept = chunk.subarray(0, LIMITS.execOutputBytesMax - held.size)
      if (kept.length < chunk.length) this.overflowed = true
      if (kept.length > 0) held.push(kept)
    },
    take: () => held.take(),
  }
}
