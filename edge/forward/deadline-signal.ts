/** Aborts the wait for a region's answer. Once headers are here the answer may take as long as it likes. */
export type Deadline = { signal: AbortSignal; isOver: () => boolean; stop: () => void }

/** Null is as long as it takes. With `movedAtMs`, the time counts from the last moment at which something moved. */
export function startDeadline(ms: number | null, movedAtMs?: () => number): Deadline {
  const controller = new AbortController()
  const end = (): void => {
    const leftMs = movedAtMs === undefined || ms === null ? 0 : movedAtMs() + ms - Date.now()
    if (leftMs > 0) timer = setTimeout(end, leftMs)
    else controller.abort()
  }
  let timer = ms === null ? null : setTimeout(end, ms)
  return { signal: controller.signal, isOver: () => controller.signal.aborted, stop: () => clearTimeout(timer) }
}
