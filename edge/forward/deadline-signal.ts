/** Aborts the wait for a region's answer. Once headers are here the answer may take as long as it likes. */
export type Deadline = { signal: AbortSignal; isOver: () => boolean; stop: () => void }

export function startDeadline(ms: number): Deadline {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), ms)
  return { signal: controller.signal, isOver: () => controller.signal.aborted, stop: () => clearTimeout(timer) }
}
