/** What is shown of a command can be stored and told, whatever it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commandText, shownText } from '../../../origin/controller/commands/command-text.ts'
import { LIMITS } from '../../../shared/limits.ts'

// No store takes a NUL or half of a character, and one such command would keep every other event of its batch from being written.
test('a text is shown as it is, or its beginning, and always as whole characters without NULs', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'é', '\0', '\ud800', '\udc00', '😀', 'word '), { maxLength: 700 }),
      (parts) => {
        const text = parts.join('').repeat(2)
        const shown = shownText(text)
        assert.ok(Buffer.byteLength(shown) <= LIMITS.processShownCharsMax)
        assert.ok(shown.isWellFormed() && !shown.includes('\0'))
        if (text.length < 300 && text.isWellFormed()) assert.equal(shown, text.replaceAll('\0', ''))
      },
    ),
  )
})

test('a program is shown with its arguments, and nothing else of a command is', () => {
  const body = { cmd: 'git', args: ['push', '-f'], env: { TOKEN: 'hidden' }, stdin: 'hidden' }
  assert.equal(commandText(body), 'git push -f')
  assert.equal(commandText({ command: 'git push | cat' }), 'git push | cat')
})
