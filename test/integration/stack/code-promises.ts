/** Code as agents use it: through the edge on workerd, live, in a sandbox that sleeps and is forked meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CodeAnswer } from '../../../shared/contracts/code.ts'
import { type Api, apiAt, record } from '../../harness/api.ts'
import type { LocalStack } from '../../harness/local-stack.ts'

export function codePromises(stackOf: () => LocalStack): void {
  const edge: Api = (path, call) => apiAt(stackOf().dev().edge, stackOf().dev().api_key)(path, call)
  const run = async (id: string, body: object): Promise<CodeAnswer> => {
    const answer = await edge(`/v1/sandboxes/${id}/code`, { body })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    return answer.body.data as CodeAnswer
  }
  const stream = (path: string, body: object): Promise<Response> =>
    fetch(stackOf().dev().edge + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${stackOf().dev().api_key}`, accept: 'application/x-ndjson' },
      body: JSON.stringify(body),
    })
  const linesOf = async (response: Response) =>
    (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  let sandbox: string
  test('an agent’s Python has its variables in the next call, after a pause, and in a fork', async () => {
    sandbox = record(await edge('/v1/sandboxes', { body: { env: { WHO: 'me' } }, headers: { 'x-region': 'eu1' } })).id
    const first = await run(sandbox, { code: 'import os\nrows = [1, 2]\nprint(os.environ["WHO"])\nsum(rows)' })
    assert.deepEqual([first.stdout, first.results[0]?.text, first.execution_count], ['me\n', '3', 1])
    assert.equal((await edge(`/v1/sandboxes/${sandbox}/pause`, { method: 'POST' })).status, 200)
    assert.equal((await run(sandbox, { code: 'rows' })).results[0]?.text, '[1, 2]')
    const forked = await edge(`/v1/sandboxes/${sandbox}/fork`, { body: {} })
    const child = record(forked).id
    assert.equal((await run(child, { code: 'rows.append(3)\nrows' })).results[0]?.text, '[1, 2, 3]')
    assert.equal((await run(sandbox, { code: 'rows' })).results[0]?.text, '[1, 2]')
    const failed = await run(sandbox, { code: '1 / 0' })
    assert.deepEqual([failed.error?.name, failed.exit_code], ['ZeroDivisionError', 1])
    await edge(`/v1/sandboxes/${child}`, { method: 'DELETE' })
  })

  test('output is at the client while the code runs, and who leaves interrupts it', async () => {
    const code = 'import time\nprint("begun")\ntime.sleep(600)'
    const response = await stream(`/v1/sandboxes/${sandbox}/code`, { code })
    const reader = response.body?.getReader()
    let heard = ''
    while (!heard.includes('begun')) heard += Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
    assert.equal((await run(sandbox, { code: 'rows' })).results[0]?.text, '[1, 2]', 'the next call has its turn')
  })

  test('Podflare’s client has one session of Python, and a new shell each time', async () => {
    const path = `/podflare/v1/sandboxes/${sandbox}/exec`
    await linesOf(await stream(path, { code: 'kept = 41' }))
    const python = await linesOf(await stream(path, { code: 'print(kept + 1)', language: 'python' }))
    assert.deepEqual(
      python.map(({ type, data, seq }) => [type, data, seq]),
      [
        ['stdout', '42', 0],
        ['exit', 0, 1],
      ],
    )
    const shell = await linesOf(await stream(path, { code: 'x=1; pwd; exit 4', language: 'bash' }))
    assert.deepEqual(
      shell.map(({ data }) => data),
      ['/workspace', 4],
    )
    const other = await linesOf(await stream(path, { code: 'echo "[$x]"', language: 'bash' }))
    assert.equal(other[0].data, '[]')
    await edge(`/v1/sandboxes/${sandbox}`, { method: 'DELETE' })
  })
}
