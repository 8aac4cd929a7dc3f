/** Runs a tool of the host to its end. It dies with this process, however that ends, so that a killed build leaves nothing running. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LIMITS } from '../../shared/limits.ts'

const run = promisify(execFile)
const ERROR_TAIL_CHARS = 2_000

export type ToolOptions = {
  cwd?: string
  /** Beside the environment of this process. */
  env?: Record<string, string>
  signal?: AbortSignal | undefined
}

/** What the tool printed on stdout. Rejects with its last words when it fails, takes too long or is aborted. */
export async function runTool(argv: readonly string[], options: ToolOptions = {}): Promise<string> {
  const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)
  try {
    const { stdout } = await run('setpriv', ['--pdeathsig', 'KILL', '--', 'env', ...variables, ...argv], {
      cwd: options.cwd,
      signal: options.signal,
      timeout: LIMITS.imageToolMs,
      killSignal: 'SIGKILL',
      maxBuffer: LIMITS.imageToolOutputBytesMax,
    })
    return stdout
  } catch (cause) {
    options.signal?.throwIfAborted()
    throw new Error(`${argv[0]} failed: ${lastWords(cause)}`, { cause })
  }
}

function lastWords(failure: unknown): string {
  if (failure instanceof Error && 'stderr' in failure && typeof failure.stderr === 'string' && failure.stderr !== '')
    return failure.stderr.slice(-ERROR_TAIL_CHARS).trim()
  return String(failure)
}
