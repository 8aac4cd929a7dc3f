/**
 * A place between two lines of what a process says: `SEQ.STDOUT.STDERR`, the number of the event before it, and how many bytes of each
 * stream were told until then. A line that had begun in one stream and was not told yet comes again, and nothing comes twice.
 */
export type OutputCursor = { seq: number; stdout: number; stderr: number }

export const BEGINNING: OutputCursor = { seq: 0, stdout: 0, stderr: 0 }

export const writeCursor = ({ seq, stdout, stderr }: OutputCursor): string => `${seq}.${stdout}.${stderr}`

/** Undefined when it is none. */
export function readCursor(text: string): OutputCursor | undefined {
  if (!/^\d{1,15}\.\d{1,15}\.\d{1,15}$/.test(text)) return undefined
  const [seq = 0, stdout = 0, stderr = 0] = text.split('.').map(Number)
  return { seq, stdout, stderr }
}
