/**
 * Paths on their way to the agent. Linux names are bytes, so a path is bytes here, whatever it was in a URL or in JSON. What a path
 * means, and where it may lead, the agent decides: it is refused there, in one place.
 */
import type { GuestPath } from '../../../shared/contracts/guest-files.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** As JSON says it, or as the bytes that a URL had. */
export type FilePath = GuestPath | Uint8Array

const BELOW_FILES = /^(?:\/api)?\/v1\/sandboxes\/[^/]+\/files\/+(.*)$/
const ESCAPES = /%[0-9a-f]{2}/gi

/**
 * What a URL names below /files/, whose clients strip the slashes that it begins with. An escape that is none is what it looks like:
 * clients leave a literal `%` alone.
 */
export function pathOfUrl(pathname: string): Buffer {
  const [, rest = ''] = BELOW_FILES.exec(pathname) ?? []
  return Buffer.concat([Buffer.from('/'), decoded(rest)])
}

function decoded(text: string): Buffer {
  const pieces: Buffer[] = []
  let at = 0
  for (const { index, 0: byte } of text.matchAll(ESCAPES)) {
    pieces.push(Buffer.from(text.slice(at, index)), Buffer.from(byte.slice(1), 'hex'))
    at = index + byte.length
  }
  return Buffer.concat([...pieces, Buffer.from(text.slice(at))])
}

/** Throws invalid_path for what no kernel takes as a path, and for text that has no bytes. */
export function bytesOf(path: FilePath): Uint8Array {
  if (typeof path === 'string' && !path.isWellFormed()) throw invalid('A path has half of a character.')
  const bytes = path instanceof Uint8Array ? path : typeof path === 'string' ? Buffer.from(path) : unpacked(path)
  if (bytes.length > LIMITS.filePathBytesMax) throw invalid(`A path has at most ${LIMITS.filePathBytesMax} bytes.`)
  return bytes
}

const unpacked = ({ base64 }: { base64: string }): Buffer => Buffer.from(base64, 'base64')

/** As a URL has it, in the one way that no client or server between writes differently. */
export const escaped = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => {
    const letter = String.fromCharCode(byte)
    return /[\w.~/-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')

/** The agent's route with its query; what is undefined is left out. */
export function filesPath(
  verb: string,
  path: FilePath,
  query: Record<string, string | number | boolean | undefined>,
): string {
  const rest = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${escaped(Buffer.from(String(value)))}`],
  )
  return `files${verb}?${[`path=${escaped(bytesOf(path))}`, ...rest].join('&')}`
}

const invalid = (message: string): AppError => new AppError('invalid_path', message)
