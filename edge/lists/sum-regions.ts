/** Numbers that several regions count, as one answer. */
import * as z from 'zod'
import type { Region } from '../../shared/regions.ts'
import type { Visit } from '../requests/visit.ts'
import { askRegions, type Joined } from './ask-regions.ts'
import { sumBodies } from './sum-answers.ts'

/** Most are in an envelope, `{data: {...}}`; what clients read bare is not. */
const answerSchema = z.looseObject({})

/** Throws region_unavailable when no region answers. */
export const sumRegions = (visit: Visit, regions: readonly Region[]): Promise<Joined> =>
  askRegions(
    {
      visitOf: () => visit,
      parse: (body) => answerSchema.parse(body),
      join: (parts, missing) => ({ ...sumBodies(parts), ...(missing.length === 0 ? {} : { partial: missing }) }),
    },
    regions,
  )
