/** The few words of a kept body that concern the edge. Whether the body is right at all is for the region to say. */
import { parseId } from '../../shared/ids.ts'
import type { Body } from './body.ts'

/** `region` is where the snapshot or the template is that is to be gone on from, by its id, or else the one that the body names. */
export type Peeked = { region: string | null; size: string | null; timeoutSec: number | null }

const NOTHING: Peeked = { region: null, size: null, timeoutSec: null }

/** Undefined when the body is not in hand. */
export function peekBody(body: Body): Peeked | undefined {
  if (body.kind === 'none') return NOTHING
  if (body.kind === 'stream') return undefined
  const fields = parseObject(body.bytes)
  return {
    region:
      regionOf('snap', fields.snapshot_id) ??
      regionOf('tpl', templateOf(fields)) ??
      (typeof fields.region === 'string' ? fields.region : null),
    size: typeof fields.size === 'string' ? fields.size : null,
    timeoutSec: typeof fields.timeout === 'number' ? fields.timeout : null,
  }
}

/** What is no id is for a region to understand, or to refuse. */
const regionOf = (kind: 'snap' | 'tpl', id: unknown): string | undefined =>
  typeof id === 'string' ? parseId(id, kind)?.region : undefined

/** In whichever of its spellings; a version may follow the id. */
function templateOf({ template_id, template, image_id, image }: Fields): unknown {
  const asked = template_id ?? template ?? image_id ?? image
  return typeof asked === 'string' ? asked.split(':', 1)[0] : undefined
}

type Fields = Partial<
  Record<'region' | 'size' | 'timeout' | 'snapshot_id' | 'template_id' | 'template' | 'image_id' | 'image', unknown>
>

function parseObject(bytes: Uint8Array): Fields {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
