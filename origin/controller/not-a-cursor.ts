/** The refusal of a cursor that no list has given out, or that was altered since: another page than the one that was meant would be a wrong answer. */
import { AppError } from '../../shared/errors.ts'

export const notACursor = (): AppError =>
  new AppError('invalid_request', 'The cursor is not one of ours.', { details: { cursor: ['is not a cursor'] } })
