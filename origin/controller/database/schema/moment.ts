/** A point in time, to the millisecond: what a JavaScript date can hold. */
import { timestamp } from 'drizzle-orm/pg-core'

export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
