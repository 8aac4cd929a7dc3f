/** Numbers that several regions count, as one answer. */
import * as z from 'zod'
import type { Region } from '../../shared/regions.ts'
import type { Visit } from '../requests/visit.ts'
import { askRegions, type Joined } from './ask-regions.ts'
import { sumAnswers } from './sum-answers.ts'

const answerSchema = z.looseObject({ data: z.unknown() })

/** Throws region_unavailable when no region answers. */
export const sumRegions = (visit: Visit, regions: readonly Region[]): Promise<Joined> =>
  askRegions(
    {
      visitOf: () => visit,
      parse: (body) => answerSchema.parse(body).data,
      join: (parts, missing) => ({ data: sumAnswers(parts), ...(missing.length === 0 ? {} : { partial: missing }) }),
    },
    regions,
  )
