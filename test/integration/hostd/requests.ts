/** What the tests ask of a host, and how they read its answers. */
import { type ExecExit, execExit } from '../../../shared/contracts/guest.ts'
import {
  type CreateVmBody,
  type HostExec,
  type HostReady,
  hostReady,
  type VmSpec,
} from '../../../shared/contracts/host.ts'
import { FRAME, type Frame, type FrameType, frameJson } from '../../../shared/frames.ts'
import { SIZES } from '../../../shared/machines.ts'
import type { Daemon, Stream } from '../../harness/host-daemon.ts'

export const shell = (line: string, over: Partial<HostExec> = {}): HostExec => ({
  argv: ['/bin/bash', '-c', line],
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: 120_000,
  output_bytes_max: 64 * 1024,
  ...over,
})

export const spec = (id: string, over: Partial<VmSpec> = {}): VmSpec => ({
  id,
  template: 'default',
  machine: SIZES.xs,
  hostname: id,
  env: {},
  expires_at_ms: null,
  on_expiry: 'pause',
  idle_timeout_sec: 0,
  ...over,
})

export function create(daemon: Daemon, vm: VmSpec, exec?: HostExec): Promise<Stream> {
  const body: CreateVmBody = exec === undefined ? { vm } : { vm, exec }
  return daemon.stream('/v1/vms', body)
}

export const exec = (daemon: Daemon, id: string, line: string, over: Partial<HostExec> = {}): Promise<Stream> =>
  daemon.stream(`/v1/vms/${id}/exec`, shell(line, over))

/** Whether a machine's clock, when it said so, showed what ours has shown since then. */
export const isNow = (seconds: number, sinceMs: number): boolean =>
  seconds >= sinceMs / 1_000 - 2 && seconds <= Date.now() / 1_000 + 2

export const typesOf = (stream: Stream): FrameType[] => stream.frames.map((frame) => frame.type)

export function textOf(stream: Stream, type: FrameType = FRAME.stdout): string {
  const parts = stream.frames.filter((frame) => frame.type === type).map((frame) => frame.payload)
  return new TextDecoder().decode(Buffer.concat(parts))
}

export const readyOf = (stream: Stream): HostReady => hostReady.parse(frameJson(only(stream, FRAME.ready)))
export const exitOf = (stream: Stream): ExecExit => execExit.parse(frameJson(only(stream, FRAME.exited)))

function only(stream: Stream, type: FrameType): Frame {
  const found = stream.frames.filter((frame) => frame.type === type)
  const [frame] = found
  if (found.length !== 1 || frame === undefined)
    throw new Error(`Expected one frame ${type}; got ${typesOf(stream)}: ${stream.status} ${stream.body}`)
  return frame
}
