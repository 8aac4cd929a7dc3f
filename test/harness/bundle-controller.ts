/** The controller as one file, which starts in a fraction of the time: for tests that start it hundreds of times. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const MAIN = fileURLToPath(new URL('../../origin/controller/main.ts', import.meta.url))
/** Each file goes on believing that it is where it was, because it looks for others from there. */
const samePlace: Plugin = {
  name: 'same place',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/(origin|shared)\/.*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
      loader: 'ts',
    })),
}

export async function bundleController(directory: string): Promise<string> {
  const outfile = join(directory, 'controller.mjs')
  const home = JSON.stringify(pathToFileURL(MAIN).href)
  await build({
    entryPoints: [MAIN],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Asked for only by who has it.
    external: ['pg-native'],
    plugins: [samePlace],
    banner: { js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(${home});` },
    logLevel: 'error',
  })
  return outfile
}
