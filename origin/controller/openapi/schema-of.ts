/** JSON Schema out of the contracts' zod schemas, as OpenAPI 3.1 takes it. Schemas that have a name stand once, under components. */
import * as z from 'zod'
import { execAnswer, sandboxRecord } from '../../../shared/contracts/sandbox-records.ts'

export type JsonSchema = { [keyword: string]: unknown }

z.globalRegistry.add(sandboxRecord, { id: 'Sandbox' })
z.globalRegistry.add(execAnswer, { id: 'ExecResult' })

/** `input` is what a caller may send, `output` what they get. What only code can check (a refinement) is not in a schema. */
export function schemaOf(
  schema: z.ZodType,
  io: 'input' | 'output',
  components: Record<string, JsonSchema>,
): JsonSchema {
  const { $schema: _, $defs, ...made } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  for (const [name, definition] of Object.entries($defs ?? {})) {
    const { id: _id, ...plain } = definition
    components[name] = tidied(plain)
  }
  return tidied(made)
}

function tidied(schema: JsonSchema): JsonSchema {
  const tidy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(tidy)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .filter(([keyword, bound]) => !isNoBound(keyword, bound))
        .map(([keyword, inner]) => [keyword, keyword === '$ref' ? inComponents(inner) : tidy(inner)]),
    )
  }
  return tidy(schema) as JsonSchema
}

/** Every integer of JavaScript is between these; saying so only hides the bounds that mean something. */
const isNoBound = (keyword: string, bound: unknown): boolean =>
  (keyword === 'maximum' && bound === Number.MAX_SAFE_INTEGER) ||
  (keyword === 'minimum' && bound === Number.MIN_SAFE_INTEGER)

const inComponents = (ref: unknown): string => String(ref).replace('#/$defs/', '#/components/schemas/')
