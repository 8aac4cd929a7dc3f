/** What is acknowledged is on the platter: contents and names, each of which has to be asked for by itself. */
import { open } from 'node:fs/promises'

/** Files, and directories whose entries have changed. */
export async function sync(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await using file = await open(path, 'r')
    await file.sync()
  }
}
