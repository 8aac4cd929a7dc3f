/** Says from time to time what this daemon still uses of what daemons share, and lets go of the rest. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Host } from '../host.ts'
import { markImageUsed } from '../image.ts'

/** Runs until `draining`. */
export function keepShelf({ templates, draining }: Pick<Host, 'templates' | 'draining'>, imageDir: string): void {
  const look = (): void => {
    templates.letGoRested(Date.now())
    void markImageUsed(imageDir, Date.now())
  }
  look()
  const timer = setInterval(look, LIMITS.templateRestMs)
  draining.addEventListener('abort', () => clearInterval(timer))
}
