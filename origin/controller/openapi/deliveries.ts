/** What a webhook is sent, as the document says it: OpenAPI 3.1 has a place for requests that a server makes of its callers. */
import { STATES } from '../../../shared/lifecycle.ts'
import { LIMITS } from '../../../shared/limits.ts'

/** For a receiver on Node: a module. A test runs it against what really signs. */
export const VERIFY_DELIVERY = `import { createHmac, timingSafeEqual } from 'node:crypto'

// header: what came as Atoll-Signature. body: the text that came, before JSON.parse. secret: whsec_..., all of it.
export function isFromAtoll(header, body, secret) {
  const [, t, v1] = /^t=(\\d+),v1=([0-9a-f]{64})$/.exec(header) ?? []
  if (t === undefined || Math.abs(Date.now() / 1000 - Number(t)) > 300) return false
  const wanted = createHmac('sha256', secret).update(\`\${t}.\${body}\`).digest()
  return timingSafeEqual(wanted, Buffer.from(v1, 'hex'))
}`

const seconds = (ms: number): number => ms / 1_000

const DESCRIPTION = `What is posted to the \`url\` of a webhook for each event that it wants.

**Which.** \`sandbox.created\`; then \`sandbox.\` and the state that the sandbox came to: \`sandbox.running\`, \`sandbox.paused\`, \`sandbox.error\`,
\`sandbox.destroyed\` and so on, but \`sandbox.resumed\` when it runs again; \`sandbox.snapshot.ready\`; \`sandbox.merged\`. And of commands, only when the webhook asks for \`sandbox.exec.*\` or for one of them by
its name: \`sandbox.exec.started\` with \`exec_id\` and \`command\`, \`sandbox.exec.completed\` with \`exec_id\`, \`exit_code\`, \`duration_ms\` and \`reason\`.

**Signed.** \`Atoll-Signature\` is \`t=<unix seconds>,v1=<hex>\`, where the hex is HMAC-SHA256 of \`<t>.<body>\` under the webhook's \`secret\`, which
is in the answer that made it. Believe nothing else, and nothing whose \`t\` is more than five minutes away:

\`\`\`js
${VERIFY_DELIVERY}
\`\`\`

**Answered.** Any status from 200 to 299 within ${seconds(LIMITS.webhookTimeoutMs)} seconds is a success; the body of the answer is ignored, and redirects are not followed.

**Tried again.** Whatever else comes, or nothing, is tried again \`retry_count\` times (${LIMITS.webhookRetriesDefault} unless the webhook says otherwise): after about
${seconds(LIMITS.webhookRetryMs)} seconds, then twice as long each time, up to ${seconds(LIMITS.webhookRetryMsMax) / 60} minutes. So an event may come more than once: its \`id\` is the same each time, and \`t\` is not.

**In order.** Events of one sandbox come in the order in which they happened, one at a time: a later one waits until the one before was delivered or
given up. Those of different sandboxes overtake each other.

**Given up.** A delivery that failed for the last time is \`dead\`. \`GET /v1/webhooks/{id}/deliveries?status=dead\` lists such, for ${LIMITS.webhookDeliveryRetentionMs / 86_400_000} days after;
\`POST .../deliveries/{delivery}/replay\` sends one again, whatever became of it, and \`POST .../deliveries/replay\` all that are dead, at most ${LIMITS.webhookReplayRowsMax} a time.
\`POST .../test\` sends one event of the type \`webhook.test\`, is tried once, and answers what came of it.

**Where to.** The URL must be https and lead to the public internet: private, loopback and link-local addresses are refused when a webhook is made
and again at every delivery. A server whose setting \`ATOLL_WEBHOOK_ALLOW_PRIVATE\` is \`true\`, as on the local stack, allows them, and plain http.`

const header = (name: string, description: string) => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
})

const BODY = {
  type: 'object',
  required: ['id', 'type', 'created_at', 'data'],
  properties: {
    id: { type: 'string', description: 'Of the event: the same in every attempt and replay.' },
    type: { type: 'string', description: 'The name of the event, as the webhook asked for it.' },
    created_at: { type: 'string', format: 'date-time', description: 'When it happened.' },
    data: {
      type: 'object',
      description: 'What happened; what is not listed here depends on the event.',
      properties: {
        sandbox_id: { type: 'string', description: 'The sandbox that it happened to; not in a test.' },
        region: { type: 'string', description: 'Where it is.' },
        state: { type: 'string', enum: STATES, description: 'The state that the sandbox was in from then on.' },
        revision: { type: 'integer', description: 'Counts the changes of the sandbox.' },
      },
    },
  },
}

export const DELIVERIES = {
  event: {
    post: {
      operationId: 'receiveEvent',
      tags: ['webhooks'],
      summary: 'What your server is sent, and how it knows that we sent it.',
      description: DESCRIPTION,
      security: [],
      parameters: [
        header('Atoll-Signature', 'The proof that it is ours, and of now. Also sent as `Miosa-Signature`.'),
        header('Atoll-Delivery', 'The id of the delivery, as lists of deliveries have it.'),
        header('User-Agent', '`Atoll-Webhooks/1`. The `headers` of the webhook come, too.'),
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: BODY,
            example: {
              id: 'evt_usw1_01k2v5w9m3q8r7t6y4z2a1b0c9xyz',
              type: 'sandbox.paused',
              created_at: '2026-01-31T12:00:00.000Z',
              data: {
                sandbox_id: 'sbx_usw1_01k2v5w9m3q8r7t6y4z2a1b0c9xyz',
                region: 'usw1',
                state: 'paused',
                revision: 4,
              },
            },
          },
        },
      },
      responses: { '2XX': { description: 'Received. Anything else is tried again.' } },
    },
  },
} as const
