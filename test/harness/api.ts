/** A caller of the public API that keeps the whole answer, for tests that look at statuses and headers. */
import { request } from 'undici'
import type { ExecAnswer, SandboxRecord } from '../../shared/contracts/sandbox-records.ts'
import type { ErrorBody } from '../../shared/errors.ts'

export type Answer = {
  status: number
  headers: Record<string, string | string[] | undefined>
  /** Every shape an answer of the API may have; a test reads the part it expects. */
  body: Partial<ErrorBody> & { exec?: ExecAnswer; timings?: Record<string, number>; [field: string]: unknown }
  ms: number
}

export type Call = {
  method?: string
  body?: unknown
  rawBody?: string
  headers?: Record<string, string>
  key?: string | null
}

export type Api = (path: string, call?: Call) => Promise<Answer>

/** Calls `base` with the key, unless the call says otherwise (`key: null` sends none). */
export function apiAt(base: string, apiKey: string): Api {
  return async (path, { method, body, rawBody, headers, key = apiKey } = {}) => {
    const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
    const began = performance.now()
    const answer = await request(base + path, {
      method: (method ?? (text === undefined ? 'GET' : 'POST')) as 'GET',
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      headersTimeout: 180_000,
      bodyTimeout: 180_000,
      ...(text === undefined ? {} : { body: text }),
    })
    const raw = await answer.body.text()
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: raw === '' ? {} : JSON.parse(raw),
      ms: performance.now() - began,
    }
  }
}

export const record = (answer: Answer): SandboxRecord => answer.body.data as SandboxRecord
export const output = (answer: Answer): ExecAnswer => (answer.body.exec ?? answer.body.data) as ExecAnswer
export const errorCode = (answer: Answer): string | undefined => answer.body.error?.code
