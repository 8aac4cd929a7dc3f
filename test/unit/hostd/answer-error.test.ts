/** What callers of a host hear of what went wrong in it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { answerError } from '../../../origin/hostd/http/answer-error.ts'

// Its journal is on the same disk: a sandbox that cannot be resumed for want of room can be, a little later.
test('whatever a full disk makes fail is told as that, and is worth another try', async () => {
  let thrown: unknown
  try {
    writeFileSync('/dev/full', 'a record')
  } catch (error) {
    thrown = error
  }
  const answer = answerError(thrown, () => {})
  assert.equal(answer.status, 503)
  const { error } = JSON.parse(await answer.text())
  assert.deepEqual([error.code, error.retry], ['host_disk_exhausted', 'later'])
})

test('an error that nobody thought of is the host’s own, and says nothing of itself', async () => {
  const answer = answerError(Object.assign(new Error('a secret'), { code: 'EIO' }), () => {})
  assert.equal(answer.status, 500)
  const text = await answer.text()
  assert.match(text, /"internal"/)
  assert.doesNotMatch(text, /secret/)
})
