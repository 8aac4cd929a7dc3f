/** What code shows and how it fails: the same words from the agent to the caller. */
import * as z from 'zod'

export const CODE_LANGUAGES = ['python', 'javascript', 'bash'] as const
export type CodeLanguage = (typeof CODE_LANGUAGES)[number]

export const CODE_REASONS = ['exit', 'signal', 'timeout', 'interrupted', 'out_of_memory'] as const

const form = (what: string) => z.string().optional().describe(what)
export const codeResult = z.object({
  text: z.string().describe('As the language writes it.'),
  html: form('Where the object offers it, as are all that follow.'),
  markdown: form('Markdown.'),
  svg: form('An SVG.'),
  png: form('A PNG, in base64.'),
  jpeg: form('A JPEG, in base64.'),
  latex: form('LaTeX.'),
  json: z.json().optional().describe('JSON.'),
  is_main_result: z.boolean().describe('It is the value of the last expression, and was not shown by the way.'),
  is_truncated: z.boolean().describe('A form was too large and is cut or left out.'),
})
export type CodeResult = z.infer<typeof codeResult>

export const codeError = z.object({
  name: z.string().describe('Its type.'),
  value: z.string().describe('Its message.'),
  traceback: z.array(z.string()).describe('Line by line.'),
})
export type CodeError = z.infer<typeof codeError>
