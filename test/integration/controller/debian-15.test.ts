/** What the controller promises, on the oldest PostgreSQL that DATABASE_URL may name. */
import { holdPromisesOn } from './promises/all.ts'
import { debian15 } from './support/databases.ts'

holdPromisesOn(debian15)
