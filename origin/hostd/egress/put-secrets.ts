/** Secrets in the place of their placeholders, in what goes to the hosts that they are bound to: headers, and the target. Never in bodies. */
import type { EgressSecret } from '../../../shared/contracts/host-egress.ts'

type Bound = Pick<EgressSecret, 'placeholder' | 'value'>

/** Where a placeholder begins with another one, the longer is meant. */
const inOrder = (secrets: readonly Bound[]): Bound[] =>
  secrets.toSorted((a, b) => b.placeholder.length - a.placeholder.length)

const replaced = (text: string, secrets: readonly Bound[]): string =>
  inOrder(secrets).reduce((done, { placeholder, value }) => done.replaceAll(placeholder, () => value), text)

/** `value` of one header. Of basic credentials, what they encode is looked at: that is how git sends a token. */
export function putIntoHeader(name: string, value: string, secrets: readonly Bound[]): string {
  const basic = /^basic +([A-Za-z0-9+/=]+)$/i.exec(value)?.[1]
  if (name.toLowerCase() !== 'authorization' || basic === undefined) return replaced(value, secrets)
  const credentials = Buffer.from(basic, 'base64').toString('latin1')
  const put = replaced(credentials, secrets)
  return put === credentials ? value : `Basic ${Buffer.from(put, 'latin1').toString('base64')}`
}

/** Percent-encoded, so that a secret stays one piece of a path or of a query. */
export const putIntoTarget = (target: string, secrets: readonly Bound[]): string =>
  replaced(
    target,
    secrets.map(({ placeholder, value }) => ({ placeholder, value: encodeURIComponent(value) })),
  )
