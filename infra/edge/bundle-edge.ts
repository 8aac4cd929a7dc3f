/** The Worker as one module, the way wrangler would bundle it. */
import { build } from 'esbuild'

/** Resolves to the source text; throws esbuild's own error when the Worker does not compile. */
export async function bundleEdge(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:workers'],
    logLevel: 'silent',
  })
  const [file] = result.outputFiles
  if (file === undefined) throw new Error('The bundler made no file.')
  return file.text
}
