/** What a host is told of where its sandboxes may go, and asked about where they went. */
import type * as z from 'zod'
import { type EgressLog, type EgressSetting, HOST_EGRESS_ROUTES } from '../../../shared/contracts/host-egress.ts'
import { type Answer, required } from './outcome.ts'

export type EgressCalls = {
  /** Answers the revision that is in force there. */
  setEgress(id: string, setting: EgressSetting): Promise<Answer<{ revision: number }>>
  /** What comes after this place in its log; the host forgets what comes before it. */
  egressLog(after: number): Promise<Answer<EgressLog>>
}

type Call = <T>(
  route: { method: string; path: string; answer?: z.ZodType<T> },
  id: string,
  body?: unknown,
) => Promise<Answer<T | null>>

export const egressCalls = (call: Call): EgressCalls => ({
  setEgress: (id, setting) => required(call(HOST_EGRESS_ROUTES.put, id, setting)),
  egressLog: (after) => {
    const { log } = HOST_EGRESS_ROUTES
    return required(call({ ...log, path: `${log.path}?after=${after}` }, ''))
  },
})
