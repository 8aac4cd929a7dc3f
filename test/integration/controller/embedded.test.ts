/** What the controller promises, on the server that a single machine gets without any set-up. */
import { holdPromisesOn } from './promises/all.ts'
import { embedded } from './support/databases.ts'

holdPromisesOn(embedded)
