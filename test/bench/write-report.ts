/** Where every bench leaves what it found: on the terminal, and in the folder of the state. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { readConfig } from '../../infra/local/config.ts'

/** `files` by extension; the one named `md` is shown as well. */
export function writeReport(name: string, files: { md: string; json: unknown; svg?: string }): void {
  const folder = `${readConfig(process.env).stateDir}/bench`
  mkdirSync(folder, { recursive: true })
  console.log(`\n${files.md}`)
  writeFileSync(`${folder}/${name}.md`, files.md)
  writeFileSync(`${folder}/${name}.json`, JSON.stringify(files.json, null, 2))
  if (files.svg !== undefined) writeFileSync(`${folder}/${name}.svg`, files.svg)
  console.log(`Also written to .atoll/bench/${name}.*`)
}
