/** A daemon that is killed with SIGKILL in the middle of what it does, before a step of the test's choice (die-at.ts). */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Answer, Daemon } from '../../../harness/host-daemon.ts'

/** More than any deed has. */
const STEPS_MAX = 150

export class Mortal {
  readonly host: Daemon
  readonly #arm: string

  private constructor(host: Daemon, arm: string) {
    this.host = host
    this.#arm = arm
  }

  static async start(settings: Record<string, string> = {}): Promise<Mortal> {
    const arm = join(tmpdir(), `die-at-${process.pid}-${randomInt(1_000_000)}`)
    const preload = new URL('./die-at.ts', import.meta.url).pathname
    const host = await Daemon.start({ ...settings, NODE_OPTIONS: `--import ${preload}`, DIE_AT: arm })
    return new Mortal(host, arm)
  }

  /**
   * Kills the daemon in the deed before one step, starts it again and looks; then before a later step, until the deed comes to its end.
   * `stride` over 1 leaves some out, so that a run is short; which ones is drawn. `prepare` comes before each deed, and is not killed.
   */
  async killAmid(
    t: TestContext,
    stride: number,
    {
      prepare = async () => {},
      deed,
      look,
    }: {
      prepare?: (at: number) => Promise<unknown>
      deed: (at: number) => Promise<Answer>
      look: (at: number) => Promise<void>
    },
  ): Promise<void> {
    const first = randomInt(stride)
    t.diagnostic(`killed before step ${first}, and then before each ${stride}. one`)
    for (let at = first; ; at += stride) {
      assert.ok(at < STEPS_MAX, 'it never came to an end')
      await prepare(at)
      await writeFile(this.#arm, String(at))
      const answer = await deed(at).catch(() => null)
      await rm(this.#arm)
      if (answer !== null) {
        assert.ok(answer.status < 300, answer.body)
        return t.diagnostic(`it took ${at} steps`)
      }
      await this.host.signal('SIGKILL')
      await this.host.launch()
      await look(at)
    }
  }

  async stop(): Promise<void> {
    await rm(this.#arm, { force: true })
    await this.host.stop()
  }
}
