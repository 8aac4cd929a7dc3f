/** Bytes of a program as lines of text that a table can hold: no NUL, none longer than allowed. What is not UTF-8 becomes U+FFFD. Pure but for what it holds. */
import { StringDecoder } from 'node:string_decoder'
import { LIMITS } from '../../../../shared/limits.ts'

export type LineCutter = {
  /** The lines that these bytes complete. One that is too long is cut in pieces. */
  push(bytes: Uint8Array): string[]
  /** The rest, which no newline ended. */
  end(): string[]
}

export function createLineCutter(charsMax: number = LIMITS.buildLogLineCharsMax): LineCutter {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const cut = (text: string): string[] => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    const done = lines.flatMap((line) => pieces(line, charsMax))
    while (rest.length > charsMax) {
      done.push(rest.slice(0, charsMax))
      rest = rest.slice(charsMax)
    }
    return done.map(tame)
  }
  return {
    push: (bytes) => cut(decoder.write(bytes)),
    end() {
      const last = cut(decoder.end())
      const unended = rest
      rest = ''
      return unended === '' ? last : [...last, tame(unended)]
    },
  }
}

function pieces(line: string, charsMax: number): string[] {
  if (line.length <= charsMax) return [line]
  return Array.from({ length: Math.ceil(line.length / charsMax) }, (_, place) =>
    line.slice(place * charsMax, (place + 1) * charsMax),
  )
}

/** A progress bar that was drawn over and over is shown as it was at last. */
const tame = (line: string): string => {
  const shown = line.replace(/\r+$/, '')
  return shown
    .slice(shown.lastIndexOf('\r') + 1)
    .replaceAll('\0', '\u{fffd}')
    .toWellFormed()
}
