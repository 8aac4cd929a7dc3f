/** What the requests about files have in common beside their paths: how much they look at, and many files at once. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { contentShape, isContent, NOT_CONTENT, pathField, userField } from './file-fields.ts'

export const flag = z.enum(['true', 'false'])

export const depth = (of: number) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.fileDepthMax)
    .default(of)
    .describe(`How many levels below the path. Default: ${of}.`)
export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(LIMITS.fileEntriesMax)
  .optional()
  .describe(`How many entries at most. Default: ${LIMITS.fileEntriesMax}.`)

export const writeManyBody = z.object({
  user: userField,
  files: z
    .array(
      z
        .object({
          path: pathField('Where'),
          content_base64: z
            .string()
            .optional()
            .describe('The content in base64, by the name that other clients have. Give either this or `content`.'),
          ...contentShape,
          content: contentShape.content.optional(),
        })
        // A name that is misspelt would empty the file.
        .refine((file) => (file.content === undefined) !== (file.content_base64 === undefined), {
          error: 'give either content or content_base64',
          path: ['content'],
        })
        .transform(({ content_base64, content, encoding, ...file }) => ({
          ...file,
          content: content ?? content_base64 ?? '',
          encoding: content === undefined ? ('base64' as const) : encoding,
        }))
        .refine(isContent, NOT_CONTENT),
    )
    .min(1)
    .max(LIMITS.fileWritesMax)
    .describe(`The files, ${LIMITS.fileWritesMax} at most.`),
})
