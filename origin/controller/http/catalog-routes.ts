/** The routes of what there is to choose from: parse, call, translate. */
import { CATALOG_ROUTES } from '../../../shared/contracts/catalog.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { SIZE_NAMES, SIZES } from '../../../shared/machines.ts'
import type { Principal } from '../accounts/principal.ts'
import { findTemplate, listTemplates } from '../catalog/list-templates.ts'
import { priceToday } from '../catalog/pricing.ts'
import { listSizes } from '../catalog/sizes.ts'
import type { Controller } from '../controller.ts'
import { readRates } from '../metering/rates.ts'
import { isFor } from '../placement/ledger.ts'
import { DEFAULT_TEMPLATE } from '../sandboxes/plan-sandbox.ts'
import { json, type Serve } from './serve-route.ts'

export function serveCatalog(serve: Serve<Principal>): void {
  serve(CATALOG_ROUTES.regions, async ({ controller }) => json({ data: regionsOf(controller) }))
  serve(CATALOG_ROUTES.sizes, async ({ controller, principal }) => json({ data: sizesOf(controller, principal) }))
  serve(CATALOG_ROUTES.templates, async ({ controller, principal }) =>
    json({ data: await listTemplates(controller, principal) }),
  )
  serve(CATALOG_ROUTES.catalog, async ({ controller, principal }) =>
    json({
      data: {
        regions: regionsOf(controller),
        sizes: sizesOf(controller, principal),
        templates: await listTemplates(controller, principal),
        default_size: controller.policy.defaultSize,
        default_template_id: DEFAULT_TEMPLATE,
      },
    }),
  )
  serve(CATALOG_ROUTES.pricing, async ({ controller: { database, clock } }) =>
    json({ data: priceToday(await readRates(database.db), clock()) }),
  )
  serve(CATALOG_ROUTES.capabilities, async ({ controller, principal }) =>
    json({ data: await capabilitiesOf(controller, principal) }),
  )
  serve(CATALOG_ROUTES.products, async ({ controller, principal }) => json(await productsOf(controller, principal)))
  serve(CATALOG_ROUTES.sandboxTemplates, async ({ controller, principal, query }) =>
    json({
      default_template_id: DEFAULT_TEMPLATE,
      data: await listTemplates(controller, principal, query.include_aliases === 'true'),
    }),
  )
  serve(CATALOG_ROUTES.sandboxTemplate, async ({ controller, principal, reference }) =>
    json(await findTemplate(controller, principal, reference)),
  )
}

const regionsOf = ({ regions, region }: Controller) =>
  regions.map((one) => ({ id: one.code, ...one, current: one.code === region.code }))

const sizesOf = ({ ledger, policy }: Controller, { tenant }: Principal) =>
  listSizes(ledger.offers(), tenant, policy.defaultSize)

const availableSizes = (controller: Controller, principal: Principal): string[] =>
  sizesOf(controller, principal)
    .filter(({ available }) => available)
    .map(({ id }) => id)

async function capabilitiesOf(controller: Controller, principal: Principal) {
  const offers = controller.ledger.offers().filter((offer) => isFor(offer, principal.tenant))
  return {
    version: 1,
    region: controller.region.code,
    isolation: 'microvm',
    accelerators: [...new Set(offers.map(({ capacity }) => capacity.accel))].sort(),
    templates: (await listTemplates(controller, principal)).map(({ id }) => id),
    sizes: availableSizes(controller, principal),
    limits: {
      cpu_count_max: LIMITS.vcpusMax,
      memory_mb_max: LIMITS.memoryMibMax,
      disk_size_mb_max: LIMITS.diskMibMax,
      timeout_sec_max: principal.limits.maxTimeoutSec,
      exec_timeout_sec_max: LIMITS.execTimeoutSecMax,
      exec_output_bytes_max: LIMITS.execOutputBytesMax,
    },
  }
}

async function productsOf(controller: Controller, principal: Principal) {
  const sizes = availableSizes(controller, principal)
  return {
    templates: (await listTemplates(controller, principal)).map(({ id, name, status }) => ({
      id,
      name,
      product: 'sandbox',
      sizes,
      readiness: { status },
    })),
    products: ['sandbox'],
    sizes: [...SIZE_NAMES],
    shape_contracts: Object.fromEntries(
      SIZE_NAMES.map((name) => [
        `sandbox/${name}@v1`,
        { vcpus: SIZES[name].vcpus, memory_mb: SIZES[name].memoryMib, disk_size_mb: SIZES[name].diskMib },
      ]),
    ),
  }
}
