/**
 * How a connection of a sandbox's process reaches the host, which is the client of the only wire there is.
 *
 *   agent   listens on 127.0.0.1:3128 and [::1]:3128, the proxy that every process finds in its environment
 *   host    POST /v1/egress/accept      no answer until a process connects; then 200, and from there on the bytes of that
 *                                       connection go both ways: the request's body to the process, the answer's from it.
 *                                       Several are kept waiting while the sandbox runs. A reset breaks the connection off.
 *   wake    `egress`, see guest.ts      what programs inside have to know. Where they may go is the host's to decide, and to refuse.
 *
 * A connection waits a moment for an accept, then the agent answers 503: the host's daemon is away, or takes no more of this sandbox.
 *
 * A process that shuts down its side before it has heard a byte still hears the answer; later that ends the whole connection, because
 * the agent cannot say "that was all from here" without ending its answer, and HTTP/2 of Go ends the request with it.
 */
import * as z from 'zod'

/** Where the agent's proxy door is, in every machine. */
export const EGRESS_DOOR_PORT = 3128
export const EGRESS_ACCEPT_PATH = '/v1/egress/accept'

export const guestEgress = z.object({
  /** An authority that programs inside trust from now on, as PEM; null is none of ours. */
  ca_pem: z.string().nullable(),
  /** Variables of every process that is started from now on, under the machine's own environment. Left out: none. */
  env: z.record(z.string(), z.string()).optional(),
})
export type GuestEgress = z.infer<typeof guestEgress>
