/** The few words of a kept body that concern the edge. Whether the body is right at all is for the region to say. */
import { parseId } from '../../shared/ids.ts'
import type { Body } from './body.ts'

/** `region` is where the snapshot is that is to be gone on from, or else the one that the body names. */
export type Peeked = { region: string | null; size: string | null; timeoutSec: number | null }

const NOTHING: Peeked = { region: null, size: null, timeoutSec: null }

/** Undefined when the body is not in hand. */
export function peekBody(body: Body): Peeked | undefined {
  if (body.kind === 'none') return NOTHING
  if (body.kind === 'stream') return undefined
  const fields = parseObject(body.bytes)
  return {
    region: regionOfSnapshot(fields.snapshot_id) ?? (typeof fields.region === 'string' ? fields.region : null),
    size: typeof fields.size === 'string' ? fields.size : null,
    timeoutSec: typeof fields.timeout === 'number' ? fields.timeout : null,
  }
}

/** What is no snapshot's id is for a region to refuse. */
const regionOfSnapshot = (id: unknown): string | undefined =>
  typeof id === 'string' ? parseId(id, 'snap')?.region : undefined

function parseObject(bytes: Uint8Array): Partial<Record<'region' | 'size' | 'timeout' | 'snapshot_id', unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
