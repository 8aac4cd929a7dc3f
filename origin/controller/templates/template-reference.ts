/**
 * What a caller may name a template by. Pure.
 *
 *   default          built in
 *   web              the newest version of the tenant's own
 *   web:3  web:beta  that version, or the one with this tag
 *   tpl_usw1_...     the same as its name
 */
import { parseId } from '../../../shared/ids.ts'

/** `pick` is a version, a tag, or null for the newest version. */
export type TemplateReference = { by: { id: string } | { slug: string }; pick: number | string | null }

const VERSION = /^[1-9]\d{0,8}$/

export function parseTemplateReference(text: string): TemplateReference {
  const colon = text.indexOf(':')
  const name = colon < 0 ? text : text.slice(0, colon)
  const picked = colon < 0 ? null : text.slice(colon + 1)
  const by = parseId(name, 'tpl') === null ? { slug: name } : { id: name }
  return { by, pick: picked !== null && VERSION.test(picked) ? Number(picked) : picked }
}

/** What a sandbox that was made of a version says that it was made of. No built-in template has a colon in its name. */
export const versionName = (slug: string, version: number): string => `${slug}:${version}`

/** The name alone. */
export const nameOfTemplate = (made: string): string => made.split(':', 1)[0] ?? made

/** Null of what is built in. */
export function versionOf(made: string): { slug: string; version: number } | null {
  const { by, pick } = parseTemplateReference(made)
  return 'slug' in by && typeof pick === 'number' ? { slug: by.slug, version: pick } : null
}
