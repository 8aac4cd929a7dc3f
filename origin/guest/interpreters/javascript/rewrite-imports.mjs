/**
 * Cells are no modules, and what the inspector evaluates may not import. Both are made possible by saying the same in other words:
 *
 *   import fs, { join as j } from 'x'   const { default: fs, join: j } = await __import('x')
 *   import * as fs from 'x'             const fs = await __import('x')
 *   import(x)                           __import(x)
 *
 * Node brings the parser along, for its own REPL, and hands it out with --expose-internals.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { parse } = require('internal/deps/acorn/acorn/dist/acorn')
const { full } = require('internal/deps/acorn/acorn-walk/dist/walk')

/** The code as it is when there is nothing to import, or when it does not parse: V8 says why better. */
export function rewriteImports(code) {
  if (!/\bimport\b/.test(code)) return code
  const edits = []
  try {
    const options = {
      ecmaVersion: 'latest',
      sourceType: 'module',
      allowAwaitOutsideFunction: true,
      allowReturnOutsideFunction: true,
    }
    full(parse(code, options), (node) => {
      if (node.type === 'ImportDeclaration') edits.push([node.start, node.end, declarationOf(node)])
      if (node.type === 'ImportExpression') edits.push([node.start, node.start + 'import'.length, '__import'])
    })
  } catch {
    return code
  }
  // From the end, so that positions stay what they are.
  return edits
    .sort(([a], [b]) => b - a)
    .reduce((text, [start, end, other]) => text.slice(0, start) + other + text.slice(end), code)
}

function declarationOf({ specifiers, source }) {
  const loaded = `await __import(${source.raw})`
  const whole = specifiers.find(({ type }) => type === 'ImportNamespaceSpecifier')
  const named = specifiers.filter((specifier) => specifier !== whole).map(bindingOf)
  if (specifiers.length === 0) return `${loaded};`
  if (whole === undefined) return `const { ${named.join(', ')} } = ${loaded};`
  const rest = named.length === 0 ? '' : ` const { ${named.join(', ')} } = ${whole.local.name};`
  return `const ${whole.local.name} = ${loaded};${rest}`
}

function bindingOf({ type, local, imported }) {
  if (type === 'ImportDefaultSpecifier') return `default: ${local.name}`
  return `${imported.raw ?? imported.name}: ${local.name}`
}
