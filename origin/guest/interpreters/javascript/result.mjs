/**
 * What a value looks like, in every form that it offers. The protocol is Deno's, which is that of notebooks: a method of the name
 * `Symbol.for('Jupyter.display')` returns forms by their media type.
 */
import { inspect } from 'node:util'

const TEXT_CHARS_MAX = 64 * 1024
/** Of all forms of one value together. The agent takes a little more (codeMessageBytesMax). */
const FORMS_CHARS_MAX = 5 * 1024 * 1024
const OFFER = Symbol.for('Jupyter.display')

const FIELDS = {
  'text/html': 'html',
  'text/markdown': 'markdown',
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'text/latex': 'latex',
  'application/json': 'json',
}

export function resultOf(value, isMain) {
  return bounded({ text: textOf(value), ...formsOf(offered(value)), is_main_result: isMain })
}

/** Of `display(value)`, and of `display({'text/html': ...}, {raw: true})`. */
export function displayed(value, options) {
  if (options?.raw !== true) return resultOf(value, false)
  return bounded({ text: String(value['text/plain'] ?? ''), ...formsOf(value), is_main_result: false })
}

function offered(value) {
  try {
    const offer = value?.[OFFER]
    const bundle = typeof offer === 'function' ? offer.call(value) : undefined
    return typeof bundle === 'object' && bundle !== null ? bundle : {}
  } catch {
    return {}
  }
}

function formsOf(bundle) {
  const forms = {}
  for (const [type, field] of Object.entries(FIELDS)) {
    const form = bundle[type]
    if (form instanceof Uint8Array) forms[field] = Buffer.from(form).toString('base64')
    else if (typeof form === 'string' || (field === 'json' && form !== undefined)) forms[field] = form
  }
  return forms
}

function textOf(value) {
  try {
    return inspect(value, { depth: 4, maxArrayLength: 1_000, maxStringLength: TEXT_CHARS_MAX })
  } catch (failure) {
    return `<a value that cannot be shown: ${failure?.name}>`
  }
}

/** Without what is too large or cannot be JSON, largest first. */
function bounded({ text, is_main_result, ...forms }) {
  let isTruncated = text.length > TEXT_CHARS_MAX
  const sizes = new Map()
  for (const field of Object.keys(forms)) sizes.set(field, sizeOf(forms[field]))
  const total = () => [...sizes.values()].reduce((sum, size) => sum + size, 0)
  while (total() > FORMS_CHARS_MAX) {
    const [largest] = [...sizes].sort(([, a], [, b]) => b - a)[0]
    sizes.delete(largest)
    delete forms[largest]
    isTruncated = true
  }
  return {
    text: isTruncated ? text.slice(0, TEXT_CHARS_MAX) : text,
    ...forms,
    is_main_result,
    is_truncated: isTruncated,
  }
}

function sizeOf(form) {
  try {
    return Buffer.byteLength(JSON.stringify(form) ?? '')
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
