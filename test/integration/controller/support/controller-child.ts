/** A controller as a process of its own on a database that outlives it, so that several can be one region, and be told to stop. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PEPPER } from './region.ts'

export type ControllerChild = {
  url: string
  /** Every line of its log so far. */
  lines: string[]
  /** Resolves with its exit code. */
  stop(): Promise<number | null>
  kill(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../../../origin/controller/main.ts', import.meta.url))

export async function startControllerChild(env: Record<string, string>): Promise<ControllerChild> {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ATOLL_REGION: 'usw1',
      ATOLL_REGION_NAME: 'us-west',
      ATOLL_LISTEN: '127.0.0.1:0',
      ATOLL_KEY_PEPPER: PEPPER,
      ...env,
    },
  })
  const lines: string[] = []
  const ended = once(child, 'exit')
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
    return child.exitCode
  }
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`The controller ended with ${code}: ${lines.join('\n')}`)))
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line)
      const { event, host, port } = JSON.parse(line) as Record<string, string>
      if (event === 'controller.listening') resolve(`http://${host}:${port}`)
    })
  })
  return { url, lines, stop: () => end('SIGTERM'), kill: async () => void (await end('SIGKILL')) }
}
