/** Whether a build spec can be built, by its form. What it begins with is judged by `resolve-base.ts`, because that asks what there is. Pure. */
import { type BuildSpec, type BuildSpecIssue, buildSpec } from '../../../shared/contracts/build-spec.ts'
import { utf8Bytes } from '../../../shared/contracts/sandbox-fields.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

export type Judged = { spec: BuildSpec; errors: [] } | { spec: undefined; errors: BuildSpecIssue[] }

export function judgeBuildSpec(value: unknown): Judged {
  const read = buildSpec.safeParse(value)
  if (!read.success)
    return {
      spec: undefined,
      errors: read.error.issues.slice(0, LIMITS.buildIssuesMax).map(({ path, message }) => ({
        code: 'invalid',
        field: fieldOf(path),
        message,
      })),
    }
  if (utf8Bytes(JSON.stringify(read.data)) > LIMITS.buildSpecBytesMax) return { spec: undefined, errors: [tooLong()] }
  return { spec: read.data, errors: [] }
}

/** Below `env` the names are the caller's own words. */
const fieldOf = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? 'build_spec' : path[0] === 'env' ? 'env' : path.map(String).join('.')

const tooLong = (): BuildSpecIssue => ({
  code: 'too_long',
  field: 'build_spec',
  message: `must be at most ${LIMITS.buildSpecBytesMax} bytes as JSON`,
})

/** Throws invalid_buildspec with every wrong field. */
export function requireBuildSpec(value: unknown): BuildSpec {
  const { spec, errors } = judgeBuildSpec(value)
  if (spec === undefined) throw refusedSpec(errors)
  return spec
}

export function refusedSpec(errors: BuildSpecIssue[]): AppError {
  const fields = [...new Set(errors.map(({ field }) => field))]
  return new AppError('invalid_buildspec', `These fields of the build spec are not valid: ${fields.join(', ')}.`, {
    details: { errors },
  })
}
