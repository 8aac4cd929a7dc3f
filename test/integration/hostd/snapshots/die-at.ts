/**
 * Loaded into a daemon: kills it with SIGKILL right before a step of its choice. A step is a change of a file's name, content or
 * durability, or a command to QEMU. The file named by DIE_AT says how many more steps it may do; without that file it lives.
 */
import fs, { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'

const arm = process.env.DIE_AT ?? ''
let left: number | null = null

function step(): void {
  const limit = readLimit()
  left = limit === null ? null : (left ?? limit)
  if (left === null) return
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  left -= 1
}

function readLimit(): number | null {
  try {
    return Number(readFileSync(arm, 'utf8'))
  } catch {
    return null
  }
}

type Holder = Record<string, unknown>
function watch(holder: Holder, name: string, counts: (args: unknown[]) => boolean = () => true): void {
  const original = holder[name]
  if (typeof original !== 'function') throw new Error(`There is no ${name} to be watched.`)
  holder[name] = function (this: unknown, ...args: unknown[]): unknown {
    if (counts(args)) step()
    return Reflect.apply(original, this, args)
  }
}

const steps = { ...fs.promises } as unknown as Holder
for (const name of ['mkdir', 'rename', 'link', 'writeFile', 'rm', 'copyFile', 'chmod', 'chown', 'open']) {
  watch(steps, name)
  Object.assign(fs.promises, { [name]: steps[name] })
}
for (const name of ['renameSync', 'writeFileSync', 'rmSync']) watch(fs as unknown as Holder, name)
watch(Socket.prototype as unknown as Holder, 'write', ([data]) => String(data).includes('"execute"'))
await using file = await fs.promises.open('/dev/null')
watch(Object.getPrototypeOf(file), 'sync')
syncBuiltinESMExports()
