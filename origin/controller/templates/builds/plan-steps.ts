/**
 * What a build does, in order, and by which name each step is known again: a hash of what the build begins with and of everything that
 * was done up to and with that step. Two builds that have the same key have the same sandbox. Pure.
 */
import { createHash } from 'node:crypto'
import type { BuildFile, BuildSpec } from '../../../../shared/contracts/build-spec.ts'
import type { BuildStepRecord } from '../../../../shared/contracts/templates.ts'
import type { Machine } from '../../../../shared/machines.ts'
import { WORKDIR } from '../template-settings.ts'

/** One command of a step. */
export type Order = {
  argv: string[]
  user: 'sandbox' | 'root'
  cwd: string
  env: Record<string, string>
  stdin?: string
}
/** `index` is its place, from 1. `orders` are its commands. */
export type PlannedStep = { index: number; name: string; key: string; orders: Order[] }

/** `identity` says of which template, and of which making of it. */
export type Beginning = { identity: string; machine: Machine }

const NAME_CHARS_MAX = 200
const ROOT = '/'

export function planSteps(spec: BuildSpec, { identity, machine }: Beginning): PlannedStep[] {
  let key = hashOf([identity, machine, spec.env])
  return stepsOf(spec).map(({ name, orders }, place) => {
    key = hashOf([key, orders])
    return { index: place + 1, name: name.slice(0, NAME_CHARS_MAX), key, orders }
  })
}

/** As a caller sees them before anything was done. */
export const pendingSteps = (spec: BuildSpec): BuildStepRecord[] =>
  stepsOf(spec).map(({ name }, place) => ({
    index: place + 1,
    name: name.slice(0, NAME_CHARS_MAX),
    state: 'pending',
    exit_code: null,
    duration_ms: null,
  }))

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

type Step = { name: string; orders: Order[] }

const stepsOf = (spec: BuildSpec): Step[] => [
  ...workdirStep(spec),
  ...packageSteps(spec),
  ...fileStep(spec),
  ...spec.steps.map(({ run, user }) => ({
    name: run,
    orders: [order(bash(run), user ?? spec.user, spec.workdir)],
  })),
]

const order = (argv: string[], user: Order['user'], cwd: string, env: Record<string, string> = {}): Order => ({
  argv,
  user,
  cwd,
  env,
})

/** The first command that fails ends it, as a line of a Dockerfile does. */
export const bash = (script: string): string[] => ['/bin/bash', '-e', '-c', script]

const workdirStep = ({ workdir, user }: BuildSpec): Step[] =>
  workdir === WORKDIR
    ? []
    : [
        {
          name: `workdir ${workdir}`,
          orders: [order(['/usr/bin/install', '-d', '-o', user, '-g', user, '--', workdir], 'root', ROOT)],
        },
      ]

const APT = 'apt-get update && apt-get install -y --no-install-recommends -- "$@" && rm -rf /var/lib/apt/lists/*'

const packageSteps = ({ packages: { apt, pip, npm } }: BuildSpec): Step[] => [
  ...(apt.length === 0
    ? []
    : [
        {
          name: `apt ${apt.join(' ')}`,
          orders: [order([...bash(APT), 'apt', ...apt], 'root', ROOT, { DEBIAN_FRONTEND: 'noninteractive' })],
        },
      ]),
  ...(pip.length === 0
    ? []
    : [
        {
          name: `pip ${pip.join(' ')}`,
          orders: [order(['/opt/venv/bin/pip', 'install', '--no-cache-dir', '--', ...pip], 'sandbox', ROOT)],
        },
      ]),
  ...(npm.length === 0
    ? []
    : [
        {
          name: `npm ${npm.join(' ')}`,
          orders: [order(['npm', 'install', '--global', '--no-fund', '--no-audit', '--', ...npm], 'root', ROOT)],
        },
      ]),
]

const fileStep = (spec: BuildSpec): Step[] =>
  spec.files.length === 0
    ? []
    : [
        {
          name: `files ${spec.files.map(({ path }) => path).join(' ')}`,
          orders: spec.files.map((file) => writeOrder(file, file.user ?? spec.user)),
        },
      ]

/** Beside its place first, so that a file is whole or not there. What was made on the way is whose the file is. */
const WRITE = `
made=$(dirname -- "$1"); first=
while [ ! -e "$made" ]; do first=$made; made=$(dirname -- "$made"); done
mkdir -p -- "$(dirname -- "$1")"
[ -z "$first" ] || chown -R -- "$3:$3" "$first"
base64 -d >"$1.part" && chmod -- "$2" "$1.part" && chown -- "$3:$3" "$1.part" && mv -fT -- "$1.part" "$1"`

const writeOrder = ({ path, content, contentBase64, mode }: BuildFile, user: Order['user']): Order => ({
  ...order([...bash(WRITE), 'write', path, mode, user], 'root', ROOT),
  stdin: contentBase64 ?? Buffer.from(content ?? '').toString('base64'),
})
