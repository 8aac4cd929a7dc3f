/** What cells find beside what every program finds: `require`, `display`, and an `exit` that ends the call and not the process. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { displayed } from './result.mjs'

/** Thrown by `process.exit`. */
export class Exit extends Error {
  name = 'Exit'

  constructor(code) {
    super(`exit ${code}`)
    this.code = code
  }
}

export function installGlobals(send) {
  // Of the folder in which the process is when the module is asked for.
  const here = () => `${process.cwd()}/`
  const require = (name) => createRequire(here())(name)
  Object.defineProperties(require, Object.getOwnPropertyDescriptors(createRequire(here())))
  const globals = {
    require,
    __import: (name, options) => import(resolved(name, here()), options),
    display: (value, options) => send(displayed(value, options)),
  }
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true })
  process.exit = (code = process.exitCode) => {
    throw new Exit(Number(code ?? 0) & 255)
  }
}

/** Where a cell's import is looked for: not beside this file. */
function resolved(name, here) {
  const text = String(name)
  if (/^\.{0,2}\//.test(text)) return new URL(text, pathToFileURL(here)).href
  if (/^[a-z]+:/i.test(text)) return text
  const found = createRequire(here).resolve(text)
  return found.startsWith('/') ? pathToFileURL(found).href : found
}
