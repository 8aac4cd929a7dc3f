/** What the document tells receivers to do with a signature is what they have to do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VERIFY_DELIVERY } from '../../../origin/controller/openapi/deliveries.ts'
import { signDelivery } from '../../../origin/controller/webhooks/sign-delivery.ts'

type Example = { isFromAtoll(header: string, body: string, secret: string): boolean }

const MINUTE_MS = 60_000
const SECRET = 'whsec_c2VjcmV0'
const BODY = JSON.stringify({ type: 'sandbox.created', data: { name: 'ü "quoted"' } })

test('the code of the document believes what was signed a moment ago, and nothing else', async () => {
  const { isFromAtoll }: Example = await import(`data:text/javascript,${encodeURIComponent(VERIFY_DELIVERY)}`)
  const now = Date.now()
  const header = signDelivery(SECRET, BODY, now)
  assert.ok(isFromAtoll(header, BODY, SECRET))
  assert.ok(isFromAtoll(signDelivery(SECRET, BODY, now - 4 * MINUTE_MS), BODY, SECRET))
  const refused: [string, string, string][] = [
    [header, `${BODY} `, SECRET],
    [header, BODY, 'whsec_another'],
    [header.replace(/^t=\d/, 't=0'), BODY, SECRET],
    [signDelivery(SECRET, BODY, now - 6 * MINUTE_MS), BODY, SECRET],
    [signDelivery(SECRET, BODY, now + 6 * MINUTE_MS), BODY, SECRET],
    [header.slice(0, -2), BODY, SECRET],
    ['', BODY, SECRET],
  ]
  for (const [shown, body, secret] of refused) assert.equal(isFromAtoll(shown, body, secret), false, shown)
})
