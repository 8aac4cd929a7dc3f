/** The few words of a kept body that concern the edge. Whether the body is right at all is for the region to say. */
import type { Body } from './take-body.ts'

export type Peeked = { region: string | null; size: string | null; timeoutSec: number | null }

const NOTHING: Peeked = { region: null, size: null, timeoutSec: null }

/** Undefined when the body is not in hand. */
export function peekBody(body: Body): Peeked | undefined {
  if (body.kind === 'none') return NOTHING
  if (body.kind === 'stream') return undefined
  const fields = parseObject(body.bytes)
  return {
    region: typeof fields.region === 'string' ? fields.region : null,
    size: typeof fields.size === 'string' ? fields.size : null,
    timeoutSec: typeof fields.timeout === 'number' ? fields.timeout : null,
  }
}

function parseObject(bytes: Uint8Array): { region?: unknown; size?: unknown; timeout?: unknown } {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
