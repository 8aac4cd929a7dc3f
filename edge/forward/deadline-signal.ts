/** Aborts the wait for a region's answer. Once headers are here the answer may take as long as it likes. */
export type Deadline = { signal: AbortSignal; isOver: () => boolean; stop: () => void }

/** Null is as long as it takes. */
export function startDeadline(ms: number | null): Deadline {
  const controller = new AbortController()
  const timer = ms === null ? null : setTimeout(() => controller.abort(), ms)
  return { signal: controller.signal, isOver: () => controller.signal.aborted, stop: () => clearTimeout(timer) }
}
