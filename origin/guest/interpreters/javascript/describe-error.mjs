/** What was thrown, as data, without the frames of this driver. */
import { inspect } from 'node:util'

const VALUE_CHARS_MAX = 8_192
const LINES_MAX = 100
const LINE_CHARS_MAX = 2_000
const FRAME = /^\s+at /
const FRAME_OF_CELL = /cell-\d+\.js:\d/

export function describeError(thrown) {
  try {
    return bounded(thrown instanceof Error ? ofError(thrown) : ofValue(thrown))
  } catch {
    return { name: 'Error', value: '', traceback: ['What was thrown cannot be described.'] }
  }
}

/** What stands behind the last frame of a cell is this driver, and Node below it. */
function ofError(thrown) {
  const lines = inspect(thrown).split('\n')
  const last = lines.findLastIndex((line) => FRAME_OF_CELL.test(line))
  const traceback = lines.filter((line, index) => index <= last || !FRAME.test(line))
  return { name: String(thrown.name), value: String(thrown.message), traceback }
}

function ofValue(thrown) {
  const text = inspect(thrown)
  return { name: 'Thrown', value: text, traceback: [`Thrown: ${text}`] }
}

const bounded = ({ name, value, traceback }) => ({
  name: name.slice(0, LINE_CHARS_MAX),
  value: value.slice(0, VALUE_CHARS_MAX),
  traceback: traceback.slice(0, LINES_MAX).map((line) => line.slice(0, LINE_CHARS_MAX)),
})
