/** The proof that a delivery is ours, and of now: `t=<unix seconds>,v1=<hex HMAC-SHA256(secret, t + "." + body)>`. Pure. */
import { createHmac } from 'node:crypto'

export function signDelivery(secret: string, body: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1_000)
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}
