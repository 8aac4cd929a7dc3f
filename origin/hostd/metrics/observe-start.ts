/** Counts a sandbox that began: by its boot path, with the phases that its caller is told, too. */
import type { HostReady } from '../../../shared/contracts/host.ts'
import type { Metrics } from './instruments.ts'

export function observeStart(metrics: Metrics, { boot_path: path, boot_ms, phases }: HostReady): void {
  metrics.starts.observe({ path }, boot_ms / 1_000)
  for (const [phase, ms] of Object.entries(phases)) metrics.startPhases.observe({ path, phase }, ms / 1_000)
}
