/**
 * Where the keys of well-known services go, by the variable that their own clients read. For clients that know of no `hosts`: a secret that
 * says nothing of its hosts and is exposed as one of these goes to that service, and to nobody else.
 */
const WELL_KNOWN: Readonly<Record<string, readonly string[]>> = {
  OPENAI_API_KEY: ['api.openai.com'],
  ANTHROPIC_API_KEY: ['api.anthropic.com'],
  GEMINI_API_KEY: ['generativelanguage.googleapis.com'],
  GOOGLE_API_KEY: ['generativelanguage.googleapis.com'],
  MISTRAL_API_KEY: ['api.mistral.ai'],
  GROQ_API_KEY: ['api.groq.com'],
  OPENROUTER_API_KEY: ['openrouter.ai'],
  HF_TOKEN: ['huggingface.co', '*.huggingface.co'],
  GITHUB_TOKEN: ['github.com', 'api.github.com'],
  GH_TOKEN: ['github.com', 'api.github.com'],
  GITLAB_TOKEN: ['gitlab.com'],
  NPM_TOKEN: ['registry.npmjs.org'],
  STRIPE_API_KEY: ['api.stripe.com'],
  SLACK_BOT_TOKEN: ['slack.com'],
}

export const wellKnownHosts = (variable: string | null): readonly string[] =>
  variable !== null && Object.hasOwn(WELL_KNOWN, variable) ? (WELL_KNOWN[variable] ?? []) : []
