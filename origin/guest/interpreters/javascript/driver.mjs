/**
 * The JavaScript of one context: runs what the agent sends over descriptor 3, one call after another, in one global scope.
 * V8's own REPL mode does it: names may be declared again, and `await` may stand at the top level.
 */
import { Channel, DONE, ERROR, RESULT } from './channel.mjs'
import { describeError } from './describe-error.mjs'
import { evaluate } from './evaluate.mjs'
import { Exit, installGlobals } from './globals.mjs'
import { interruption, isInterrupted } from './interruption.mjs'
import { resultOf } from './result.mjs'
import { change, surround } from './surroundings.mjs'

const EXIT_FAILED = 1
const EXIT_INTERRUPTED = 130
const INTERRUPTED = {
  name: 'Interrupted',
  value: 'The code was interrupted.',
  traceback: ['Interrupted: The code was interrupted.'],
}

const { exit } = process
const channel = new Channel(3, serve, () => exit(0))
const sendResult = (result) => channel.send(RESULT, result)
/** What ends the call that runs, from outside of it. */
let endCall = () => {}

installGlobals(sendResult)
// What nobody awaits can fail between two calls as well; it is printed, and ends neither the process nor a later call.
process.on('uncaughtException', (thrown) => (thrown instanceof Exit ? endCall(thrown) : report(thrown)))
process.on('unhandledRejection', (thrown) => (thrown instanceof Exit ? endCall(thrown) : report(thrown)))

async function serve(call) {
  channel.send(DONE, { exit_code: await run(call) })
}

/** The exit code, as of a program. */
async function run({ code, count, env, environment, cwd }) {
  let restore = () => {}
  const stop = interruption()
  try {
    change(environment)
    restore = surround(env, cwd)
    const ended = new Promise((_, reject) => {
      endCall = reject
    })
    ended.catch(() => {})
    const outcome = await Promise.race([evaluate(code, `cell-${count}.js`), ended, stop.happened])
    if ('thrown' in outcome) throw outcome.thrown
    if (outcome.value !== undefined) sendResult(resultOf(outcome.value, true))
    return 0
  } catch (thrown) {
    return fail(thrown)
  } finally {
    endCall = () => {}
    stop.end()
    restore()
  }
}

function fail(thrown) {
  if (thrown instanceof Exit) return thrown.code
  if (isInterrupted(thrown)) {
    channel.send(ERROR, INTERRUPTED)
    return EXIT_INTERRUPTED
  }
  channel.send(ERROR, describeError(thrown))
  return EXIT_FAILED
}

function report(thrown) {
  process.stderr.write(`Uncaught ${describeError(thrown).traceback.join('\n')}\n`)
}
