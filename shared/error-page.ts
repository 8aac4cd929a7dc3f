/**
 * The page at /docs/errors, made from the error table and the situations, so that it cannot say what the service does not do. It loads
 * nothing and shows nothing of the request, and is served by the edge itself: it is needed most when no region answers.
 */
import { adviceOf, ERRORS, type ErrorCode, type Retry } from './errors.ts'
import { SITUATIONS, type Situation } from './situations.ts'

export const ERROR_PAGE_PATH = '/docs/errors'

/** Its own style sheet is all that the page has. */
export const ERROR_PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'public, max-age=300',
}

const MEANINGS: Record<Retry, string> = {
  never: 'Not as it is: the same request would be refused again, or might be done twice.',
  'same-key': 'The same request may be sent again, with the same Idempotency-Key.',
  later: 'The same request may succeed later: wait for as long as Retry-After says.',
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b2430}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d8dde7;padding:.5rem;text-align:left;vertical-align:top}
code{background:#f2f4f8;padding:.1rem .3rem}td q{quotes:none}tr:target{background:#fff6d9}
@media(max-width:50rem){thead{display:none}tr,td{display:block}tr{border-bottom:1px solid #d8dde7;padding:.5rem 0}td{border:0;padding:.1rem .5rem}}`

export function errorPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Atoll: errors</title><style>${STYLE}</style></head><body>
<h1>When something goes wrong</h1>
<p>Every refusal is one JSON object: <code>{"ok": false, "error": {"code", "message", "retry", "next", "request_id"}}</code>. Programs go by
<code>code</code>, which never changes its meaning; people by <code>message</code> and <code>next</code>. Give the <code>request_id</code> to those
who run the service. Every 429 and 503 has a <code>Retry-After</code>, and <code>X-Not-Executed: 1</code> where nothing was done.</p>
<h2>May I send it again?</h2>
${table(
  ['retry', 'means'],
  Object.entries(MEANINGS).map(([retry, meaning]) => row([code(retry), escaped(meaning)])),
)}
<h2>Situations</h2>
${table(['what happened', 'status', 'code', 'what you are told', 'what to do'], Object.values(SITUATIONS).map(situationRow))}
<p>A stream that had begun when its region was lost ends with an error and never as if it were whole: open it again with the id of the last event
that you have (<code>Last-Event-ID</code>).</p>
<h2>All codes</h2>
${table(
  ['code', 'status', 'retry', 'what to do'],
  codes.flatMap((name) => codeRows(name)),
)}
</body></html>
`
}

const situationRow = ({ what, says, code: name, isKeyless }: Situation): string =>
  row([
    escaped(what),
    String(ERRORS[name].status),
    `<a href="#${name}">${code(name)}</a>`,
    `<q>${escaped(says)}</q>`,
    escaped(adviceOf(name, isKeyless !== true).next),
  ])

function codeRows(name: ErrorCode): string[] {
  const status = String(ERRORS[name].status)
  const [advice, keyless] = [adviceOf(name, true), adviceOf(name, false)]
  const first = row([code(name), status, code(advice.retry), escaped(advice.next)], name)
  if (keyless === advice) return [first]
  return [first, row([`${code(name)} without an Idempotency-Key`, status, code(keyless.retry), escaped(keyless.next)])]
}

const table = (heads: readonly string[], rows: readonly string[]): string =>
  `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`

const row = (cells: readonly string[], id?: string): string =>
  `<tr${id === undefined ? '' : ` id="${id}"`}>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`

const code = (text: string): string => `<code>${escaped(text)}</code>`

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
