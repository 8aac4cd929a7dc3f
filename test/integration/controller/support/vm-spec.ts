/** A machine as a controller asks for it, where a test does not care what it is like. */
import type { VmSpec } from '../../../../shared/contracts/host.ts'
import { SIZES } from '../../../../shared/machines.ts'

export const vmSpecOf = (id: string): VmSpec => ({
  id,
  template: 'default',
  machine: SIZES.xs,
  hostname: id,
  env: {},
  expires_at_ms: null,
  on_expiry: 'pause',
  idle_timeout_sec: 0,
})
