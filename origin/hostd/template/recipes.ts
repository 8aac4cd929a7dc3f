/** The templates a host can make by itself, as data: what is run inside a freshly booted machine before it is frozen. */
import type { HostExec } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** Raise `revision` when the meaning of the steps changes, so that templates made before are not used any more. */
export type Recipe = { revision: number; warmUp: HostExec[] }

const command = (line: string): HostExec => ({
  argv: ['/bin/bash', '-c', line],
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: LIMITS.execTimeoutSecDefault * 1_000,
  output_bytes_max: LIMITS.frameBytesMax,
})

/** What a first command is likely to touch is read once here, so that it is in the memory every clone shares. */
const everydayPrograms = command(
  'echo warm | cat; ls / >/dev/null; python3 -c "import json, os, sys"; node --version; git --version',
)

export const RECIPES: Record<string, Recipe> = {
  default: { revision: 1, warmUp: [everydayPrograms, command('echo $((1+1))'), command('true')] },
}

/**
 * Run in every clone before it joins the pool: under emulation, translated code is private to each process and must be made
 * again. The first command takes 180 ms of CPU, the third 18, the sixth 15; after that there is little left to win.
 */
const PRIMING_COMMANDS = 6
export const PRIMING: HostExec[] = Array.from({ length: PRIMING_COMMANDS }, () => command('echo $((1+1))'))
