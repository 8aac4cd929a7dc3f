/**
 * What a machine's console said: lines of a hostile guest, bounded and made harmless, with numbers by which a reader goes on.
 *
 * QEMU keeps the newest bytes in a ring, and reading takes them away, so what was read is kept here. It lives as long as this daemon:
 * after a restart only what came since the last look is left, and the numbers begin anew.
 */
import { stripVTControlCharacters } from 'node:util'
import type { VmConsole } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Qmp } from '../qemu/qmp.ts'

export class ConsoleLog {
  readonly #qmp: Pick<Qmp, 'command'>
  readonly #decoder = new TextDecoder()
  #lines: string[] = []
  /** How many lines there were in all, those that are kept no more included. */
  #count = 0
  #unfinished = ''

  constructor(qmp: Pick<Qmp, 'command'>) {
    this.#qmp = qmp
  }

  /** The last lines, at most `lines` of them and none whose number is below `after`. A number from before a restart is no bound. */
  async read(lines: number, after = 0): Promise<VmConsole> {
    await this.#drain()
    const first = this.#count - this.#lines.length
    const from = after > this.#count ? first : Math.max(after, first, this.#count - lines)
    return { lines: this.#lines.slice(from - first), next: this.#count }
  }

  /** All that is kept, and the line that has no end yet. */
  async text(): Promise<string> {
    await this.#drain()
    return [...this.#lines, harmless(this.#unfinished)].join('\n')
  }

  async #drain(): Promise<void> {
    // As bytes, because QEMU garbles text that is not UTF-8 or has a NUL.
    const read = { device: 'console', size: LIMITS.guestConsoleBytesMax, format: 'base64' }
    const answer = await this.#qmp.command('ringbuf-read', read).catch(() => '')
    if (typeof answer !== 'string' || answer === '') return
    const text = this.#unfinished + this.#decoder.decode(Buffer.from(answer, 'base64'), { stream: true })
    const lines = text.split('\n')
    this.#unfinished = lines.pop() ?? ''
    if (this.#unfinished.length > LIMITS.consoleLineCharsMax) {
      lines.push(this.#unfinished)
      this.#unfinished = ''
    }
    this.#count += lines.length
    // A quarter of a million empty lines may come at once, so what would not be kept is not looked at.
    const newest = lines.slice(-LIMITS.consoleLinesMax).map(harmless)
    this.#lines = bounded([...this.#lines, ...newest].slice(-LIMITS.consoleLinesMax))
  }
}

/** The last lines that are not more in all than a console may keep. */
function bounded(lines: string[]): string[] {
  let chars = 0
  const tooOld = lines.findLastIndex((line) => {
    chars += line.length + 1
    return chars > LIMITS.guestConsoleBytesMax
  })
  return lines.slice(tooOld + 1)
}

/** Nothing that moves a cursor, hides or turns round what is read, or breaks what it is written into. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

export const harmless = (line: string): string =>
  stripVTControlCharacters(line.slice(0, LIMITS.consoleLineCharsMax).trimEnd())
    .replaceAll('\t', '        ')
    .replace(UNPRINTABLE, '\ufffd')
