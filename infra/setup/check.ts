/** `npm run check`: types of every room, lint and format. Says what to run when something is off. */
import { spawnSync } from 'node:child_process'
import { REPOSITORY } from '../local/layout.ts'

const steps: [what: string, command: string[], mend: string][] = [
  ['types and walls', ['tsc', '--build'], 'Mend the type errors above.'],
  ['lint and format', ['biome', 'ci', '--error-on-warnings', '.'], 'Run: npx biome check --write .'],
]

for (const [what, [program = '', ...args], mend] of steps) {
  process.stderr.write(`check: ${what}\n`)
  if (
    spawnSync(`${REPOSITORY}/node_modules/.bin/${program}`, args, { cwd: REPOSITORY, stdio: 'inherit' }).status !== 0
  ) {
    process.stderr.write(`check: ${what} failed. ${mend}\n`)
    process.exit(1)
  }
}
