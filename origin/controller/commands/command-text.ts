/** What is shown of a command: its own words, never its environment or its input. Pure. */
import { LIMITS } from '../../../shared/limits.ts'
import { cutAtCharacter } from '../processes/cut-at-character.ts'

type Command = { command?: string | undefined; cmd?: string | undefined; args?: string[] | undefined }

export const commandText = ({ command, cmd, args }: Command): string =>
  shownText(command ?? [cmd ?? '', ...(args ?? [])].join(' '))

/** As much of it as is shown. No store takes a NUL, nor half of a surrogate pair. */
export function shownText(text: string): string {
  const begun = text.slice(0, LIMITS.processShownCharsMax).replaceAll('\0', '').toWellFormed()
  return cutAtCharacter(Buffer.from(begun), LIMITS.processShownCharsMax).toString('utf8')
}
