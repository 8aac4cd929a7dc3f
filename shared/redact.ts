/**
 * The last net under a log: whatever has the shape of a secret of ours is replaced. Nobody may rely on it: secrets are not given to a
 * log at all; this is for the day when somebody's error message repeats one.
 */
const SECRETS: readonly [pattern: RegExp, instead: string][] = [
  [/atl_(live|test)_[0-9a-z]+/gi, 'atl_REDACTED'],
  [/whsec_[\w-]+/g, 'whsec_REDACTED'],
  // A JSON Web Token: a header that begins with `{"`, and two more parts.
  [/eyJ[\w-]+(?:\.[\w-]*){2,4}/g, 'TOKEN_REDACTED'],
  [/(bearer +)[^\s"']+/gi, '$1REDACTED'],
]

export const withoutSecrets = (text: string): string =>
  SECRETS.reduce((redacted, [pattern, instead]) => redacted.replaceAll(pattern, instead), text)
