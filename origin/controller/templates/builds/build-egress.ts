/** Where the sandbox of a build may go: where its spec says, and to the registries of the packages that it names. Pure. */
import type { BuildSpec } from '../../../../shared/contracts/build-spec.ts'
import type { EgressWishBody } from '../../../../shared/contracts/egress-fields.ts'

/** Where each package manager of the built-in templates finds its packages. */
const REGISTRIES = {
  apt: ['deb.debian.org', 'security.debian.org'],
  pip: ['pypi.org', 'files.pythonhosted.org'],
  npm: ['registry.npmjs.org'],
} as const satisfies Record<keyof BuildSpec['packages'], readonly string[]>
const MANAGERS = ['apt', 'pip', 'npm'] as const

/** Undefined is what holds for every sandbox of the tenant. */
export function egressOf({ egress, packages }: Pick<BuildSpec, 'egress' | 'packages'>): EgressWishBody | undefined {
  const registries = MANAGERS.filter((manager) => packages[manager].length > 0).flatMap((manager) => [
    ...REGISTRIES[manager],
  ])
  if (typeof egress === 'boolean') return egress
  if (registries.length === 0) return egress ?? undefined
  return { ...egress, allow: [...new Set([...(egress?.allow ?? []), ...registries])] }
}
