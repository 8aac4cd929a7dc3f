/** What a visitor of a preview sees instead of it: the error's words as a page for people, or as the JSON of every other error. */
import { type AppError, adviceFor, errorBody } from './errors.ts'

/** Nothing but this text is loaded, and nothing in it runs. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors *"

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f7f9;color:#1c2128}' +
  'main{max-width:34rem;padding:2rem}h1{font-size:1.4rem;margin:0 0 .5rem}p{margin:.5rem 0}small,code{color:#57606a}' +
  '@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e9ed}small,code{color:#9aa4af}}'

export type ErrorAnswer = { body: string; contentType: string }

/** `accept` is the visitor's header. */
export function previewError(error: AppError, requestId: string, accept: string | null): ErrorAnswer {
  if (accept?.toLowerCase().includes('text/html'))
    return { body: page(error, requestId), contentType: 'text/html; charset=utf-8' }
  return { body: JSON.stringify(errorBody(error, requestId)), contentType: 'application/json; charset=utf-8' }
}

const page = (error: AppError, requestId: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
  `<meta name="robots" content="noindex"><title>${error.status}</title><style>${STYLE}</style></head><body><main>` +
  `<h1>${escaped(error.message)}</h1><p>${escaped(adviceFor(error).next)}</p>` +
  `<p><small>${error.status} <code>${error.code}</code> &middot; ${escaped(requestId)}</small></p></main></body></html>\n`

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char)
