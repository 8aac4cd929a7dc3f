/**
 * The host names of previews.
 *
 *   5173-sbx-usw1-01k2v5w9m3q8r7t6y4z2a1b0c9xyz.preview.atoll.example
 *   port  the sandbox's id as a label           the preview domain
 */
import { idToLabel, labelToId, parseId } from './ids.ts'

export type PreviewAddress = { port: number; sandbox: string; region: string }

export const PORT_MAX = 65_535

export const previewLabel = (port: number, sandbox: string): string => `${port}-${idToLabel(sandbox)}`

/** `elsewhere` is no host of previews; `unreadable` is one that cannot name any. */
export function readPreviewHost(host: string, domain: string): PreviewAddress | 'elsewhere' | 'unreadable' {
  if (host === domain) return 'unreadable'
  if (!host.endsWith(`.${domain}`)) return 'elsewhere'
  const [, digits, label] = /^([1-9][0-9]{0,4})-([a-z0-9-]+)$/.exec(host.slice(0, -domain.length - 1)) ?? []
  const sandbox = labelToId(label ?? '')
  const region = parseId(sandbox, 'sbx')?.region
  const port = Number(digits)
  return region === undefined || port > PORT_MAX ? 'unreadable' : { port, sandbox, region }
}
