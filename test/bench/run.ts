/**
 * `npm run bench`: the promises that are numbers, measured in one run on one machine, each beside its floor.
 *
 *   npm run bench                    the whole stack: run, exec and get, at a region and through the edge
 *   npm run bench -- admission       creates at 1,000, 10,000 and 50,000 live sandboxes on simulated hosts
 *   npm run bench -- edge            what the edge adds, beside nginx and an empty Worker
 *   npm run bench -- distance        near and far, at a region and through the edge, over simulated distance
 *   npm run bench -- density         a hundred sandboxes alive at once; `--samples 10` makes ten
 *   npm run bench -- fork            forks, pauses and pools; `--samples 32` forks into 32 children as well
 *   npm run bench -- code            hot code at a region, beside its host alone
 *   npm run bench -- files            one file up and down, on every way, beside the wire; `--samples 1024` has 1 GiB
 *   npm run bench -- streams         hot commands and streams at a region, and fifty streams at a time
 *
 * Read the ratios: this may be a noisy machine without virtualization. Nothing fails here; the report says what was measured.
 */
import { parseArgs } from 'node:util'

const BENCHES = {
  stack: async (samples: number) => (await import('./stack-bench.ts')).benchStack(samples),
  admission: async (samples: number) => (await import('./admission/admission-bench.ts')).benchAdmission(samples),
  edge: async (samples: number) => (await import('./edge/edge-bench.ts')).benchEdge(samples),
  density: async (samples: number) => (await import('./density/density-bench.ts')).benchDensity(samples),
  fork: async (samples: number) => (await import('./fork/fork-bench.ts')).benchForks(samples),
  code: async (samples: number) => (await import('./code/code-bench.ts')).benchCode(samples),
  streams: async (samples: number) => (await import('./streams/streams-bench.ts')).benchStreams(samples),
  files: async (mib: number) => (await import('./files/files-bench.ts')).benchFiles(mib),
  distance: async (samples: number) => (await import('./distance/distance-bench.ts')).benchDistance(samples),
}
const SAMPLES = {
  stack: 30,
  admission: 1_500,
  edge: 1_000,
  density: 100,
  fork: 5,
  code: 30,
  streams: 30,
  files: 128,
  distance: 30,
}

const { values: flags, positionals } = parseArgs({
  options: { samples: { type: 'string' } },
  allowPositionals: true,
})
const [kind = 'stack'] = positionals
if (!isBench(kind)) {
  process.stderr.write(`There is no bench named "${kind}": ${Object.keys(BENCHES).join(' or ')}.\n`)
  process.exit(1)
}
await BENCHES[kind](Number(flags.samples ?? SAMPLES[kind]))
process.exit()

function isBench(name: string): name is keyof typeof BENCHES {
  return Object.hasOwn(BENCHES, name)
}
