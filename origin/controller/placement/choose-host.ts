/** Picks a host with what this controller knows, its rule and its luck. */
import type { Controller } from '../controller.ts'
import { pickHost, type Wish } from './pick-host.ts'

const DRAW_BYTES = 4
const DRAWS = 2 ** 32

export const chooseHost = (
  { ledger, hostRules, random }: Pick<Controller, 'ledger' | 'hostRules' | 'random'>,
  wish: Pick<Wish, 'tenant' | 'template' | 'machine' | 'except'>,
): string | undefined =>
  pickHost(ledger.offers(), {
    tenant: wish.tenant,
    template: wish.template,
    machine: wish.machine,
    except: wish.except,
    placement: hostRules.placement,
    lot: [draw(random), draw(random)],
  })

function draw(random: (bytes: number) => Uint8Array): number {
  const bytes = random(DRAW_BYTES)
  return new DataView(bytes.buffer, bytes.byteOffset, DRAW_BYTES).getUint32(0) / DRAWS
}
