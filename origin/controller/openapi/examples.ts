/** Bodies to begin with, by route. A test sends each through the schema of its route, and wants one wherever an empty body will not do. */
export const EXAMPLES: Readonly<Record<string, unknown>> = {
  'POST /v1/sandboxes': { template_id: 'default', size: 'small', timeout_sec: 300, tags: ['demo'] },
  'POST /v1/sandboxes/run': { command: 'echo hello', timeout_sec: 60, persistent: false },
  'POST /v1/sandboxes/:id/exec': { command: 'python3 -c "print(1 + 1)"', timeout: 30 },
  'POST /v1/sandboxes/:id/extend': { timeout_sec: 600 },
  'PATCH /v1/sandboxes/:id': { name: 'my-sandbox', metadata: { owner: 'docs' } },
  'PATCH /v1/sandboxes/:id/tags': { tags: ['demo', 'blue'] },
  'POST /podflare/v1/sandboxes': { template: 'default', persistent: false },
  'POST /v1/api-keys': { name: 'ci', scopes: ['sandboxes:read', 'sandboxes:write', 'sandboxes:exec'] },
  'POST /v1/api-keys/scoped': {
    name: 'one of your users',
    external_user_id: 'user_42',
    scopes: ['sandboxes:read', 'sandboxes:write'],
    limits: { concurrency: 2 },
  },
  'POST /v1/api-keys/:id/rotate': { grace_sec: 3600 },
  'POST /v1/workspaces': { name: 'Research' },
  'PATCH /v1/workspaces/:id': { name: 'Research and more' },
  'PUT /v1/quotas/external/:user': { concurrency: 5 },
  'POST /v1/tokens': { scopes: ['sandboxes:read'], ttl_sec: 300 },
  'POST /v1/webhooks': { url: 'https://example.com/hooks', events: ['sandbox.*'] },
  'PATCH /v1/webhooks/:id': { active: false },
}
