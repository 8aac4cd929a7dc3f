/** What a person sees while the stack starts: one line a step, and what a long step is doing below it. */
import { styleText } from 'node:util'

export type Progress = {
  step: <T>(name: string, work: (log: (line: string) => void) => Promise<T>) => Promise<T>
  note: (line: string) => void
}

/** Nobody should wonder for longer than this whether something still happens. */
const SILENCE_MS_MAX = 15_000

export function progressTo(stream: NodeJS.WriteStream, now: () => number): Progress {
  const style = (format: Parameters<typeof styleText>[0], text: string): string => styleText(format, text, { stream })
  const note = (line: string): void => void stream.write(`${line}\n`)
  return {
    note,
    async step(name, work) {
      const began = now()
      const seconds = (): string => `${((now() - began) / 1_000).toFixed(1)} s`
      let doing = name
      const say = (line: string): void => note(style('dim', `    ${seconds().padStart(7)}  ${line}`))
      const reminder = setInterval(() => say(`still at it: ${doing}`), SILENCE_MS_MAX)
      note(`${style('cyan', '•')} ${name}`)
      try {
        const value = await work((line) => {
          doing = line
          reminder.refresh()
          say(line)
        })
        note(`${style('green', '✓')} ${name} ${style('dim', seconds())}`)
        return value
      } catch (thrown) {
        note(`${style('red', '✗')} ${name} ${style('dim', seconds())}`)
        throw thrown
      } finally {
        clearInterval(reminder)
      }
    },
  }
}
