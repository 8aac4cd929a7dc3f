/** One cell, by V8's REPL mode. The inspector stays inside this process: there is no port. */
import { Session } from 'node:inspector'
import { Script } from 'node:vm'
import { rewriteImports } from './rewrite-imports.mjs'

const session = new Session()
session.connect()

const hands = Symbol.for('atoll.hands')
/** Values cross from the inspector to here through this object, because the inspector itself only describes them. */
const crossing = { begin: () => {}, take: (value) => value }
Object.defineProperty(globalThis, hands, { value: crossing })

// Inside of a script that an interrupt breaks off, because V8 breaks off whatever runs in it, the cell too.
const breakable = new Script("globalThis[Symbol.for('atoll.hands')].begin()", { filename: 'atoll' })

/** The value, or what was thrown. Rejects when an interrupt broke it off before it first waited for something. */
export function evaluate(code, file) {
  const expression = `${rewriteImports(code)}\n//# sourceURL=${file}`
  return new Promise((resolve, reject) => {
    crossing.begin = () =>
      session.post(
        'Runtime.evaluate',
        { expression, replMode: true, awaitPromise: true, silent: true },
        (failure, answer) => {
          // That an interrupt broke it off is said here too, but better below.
          if (failure) setImmediate(reject, failure)
          else resolve(outcomeOf(answer, file))
        },
      )
    try {
      breakable.runInThisContext({ breakOnSigint: true })
    } catch (thrown) {
      reject(thrown)
    }
  })
}

function outcomeOf({ result, exceptionDetails }, file) {
  const value = hold(exceptionDetails?.exception ?? result)
  return exceptionDetails === undefined ? { value } : { thrown: placed(value, exceptionDetails, file) }
}

/** V8 says where a syntax error is, but not in the error itself. */
function placed(thrown, { lineNumber, columnNumber }, file) {
  if (thrown instanceof SyntaxError && !thrown.stack?.includes(file))
    thrown.stack = `${thrown}\n    at ${file}:${lineNumber + 1}:${columnNumber + 1}`
  return thrown
}

function hold(remote) {
  if (remote.objectId === undefined) return primitiveOf(remote)
  let taken
  crossing.take = (value) => {
    taken = value
  }
  session.post('Runtime.callFunctionOn', {
    objectId: remote.objectId,
    functionDeclaration: "function () { 'use strict'; globalThis[Symbol.for('atoll.hands')].take(this) }",
  })
  session.post('Runtime.releaseObject', { objectId: remote.objectId })
  return taken
}

function primitiveOf({ type, value, unserializableValue }) {
  if (unserializableValue === undefined) return value
  return type === 'bigint' ? BigInt(unserializableValue.slice(0, -1)) : Number(unserializableValue)
}
