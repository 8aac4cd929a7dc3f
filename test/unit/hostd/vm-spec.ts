/** A sandbox as a host is asked for it, where it does not matter which. */
import { SIZES } from '../../../shared/machines.ts'

export const VM_SPEC = {
  id: 'sbx',
  template: 'default',
  machine: SIZES.xs,
  hostname: 'sbx',
  expires_at_ms: null,
  on_expiry: 'pause',
  idle_timeout_sec: 0,
} as const
