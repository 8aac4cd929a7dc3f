/** How a build may come to an end, or to a halt, before it is ready. */
import type { BuildError } from '../../../../shared/contracts/templates.ts'

/** It will never be ready: whoever asked for it is told why. */
export class BuildFailure extends Error {
  override readonly name = 'BuildFailure'
  readonly error: BuildError

  constructor(error: Pick<BuildError, 'code' | 'message'> & Partial<BuildError>) {
    super(error.message)
    this.error = { step: null, exit_code: null, output: '', ...error }
  }
}

/** Its sandbox or its host was lost: it may be begun again from the last step that was kept. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** It was cancelled, or another controller works on it: nothing of it is ours to write any more. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

/** This process is about to end; another one goes on with it. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
}
