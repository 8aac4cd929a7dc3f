/** Of which makings a built-in template is here: it is made anew with its image, under the same name, and then it is another one. */
import type { Controller } from '../controller.ts'
import { isFor } from '../placement/ledger.ts'

export function imagesOf({ ledger }: Pick<Controller, 'ledger'>, tenant: string, template: string): string {
  const offering = ledger
    .offers()
    .filter((offer) => isFor(offer, tenant) && offer.capacity.templates.includes(template))
  return [...new Set(offering.map(({ capacity }) => capacity.image ?? ''))].sort().join(' ')
}
