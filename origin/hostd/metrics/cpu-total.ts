/** Makes one number that only grows out of the processor times of machines that come and go. */
export class CpuTotal {
  #last = new Map<string, number>()

  /** Milliseconds used since the call before, by the machines that live now. A machine that is seen for the first time counts whole. */
  advance(cpuMsByName: Map<string, number>): number {
    let grownMs = 0
    for (const [name, cpuMs] of cpuMsByName) grownMs += Math.max(0, cpuMs - (this.#last.get(name) ?? 0))
    this.#last = cpuMsByName
    return grownMs
  }
}
