/** Bodies to begin with, by route. A test sends each through the schema of its route. */
export const EXAMPLES: Readonly<Record<string, unknown>> = {
  'POST /v1/sandboxes': { template_id: 'default', size: 'small', timeout_sec: 300, tags: ['demo'] },
  'POST /v1/sandboxes/run': { command: 'echo hello', timeout_sec: 60, persistent: false },
  'POST /v1/sandboxes/:id/exec': { command: 'python3 -c "print(1 + 1)"', timeout: 30 },
  'POST /v1/sandboxes/:id/extend': { timeout_sec: 600 },
  'PATCH /v1/sandboxes/:id': { name: 'my-sandbox', metadata: { owner: 'docs' } },
  'PATCH /v1/sandboxes/:id/tags': { tags: ['demo', 'blue'] },
}
