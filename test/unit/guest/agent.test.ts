/** The agent's own tests, in its own language, and the bytes on which both languages must agree. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { FRAME, FrameDecoder } from '../../../shared/frames.ts'

const AGENT = new URL('../../../origin/guest/', import.meta.url).pathname
const GO = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', CGO_ENABLED: '0', GOFLAGS: '' }

test('the agent keeps its promises (go vet, go test)', () => {
  const options = { cwd: AGENT, env: { ...process.env, ...GO }, stdio: 'pipe' } as const
  execFileSync('go', ['vet', '.'], options)
  execFileSync('go', ['test', '-count=1', '.'], options)
})

test('the agent’s sources are formatted (gofmt)', () => {
  assert.equal(execFileSync('gofmt', ['-l', AGENT], { encoding: 'utf8' }), '', 'Run gofmt -w origin/guest.')
})

// The same bytes stand in origin/guest/frames_test.go.
test('frames that the agent writes are frames that the host reads', () => {
  const frames = new FrameDecoder().push(Buffer.from('0400000002686903000000097b22706964223a377d', 'hex'))
  assert.deepEqual(
    frames.map(({ type, payload }) => [type, Buffer.from(payload).toString()]),
    [
      [FRAME.stdout, 'hi'],
      [FRAME.started, '{"pid":7}'],
    ],
  )
})
