/** Whether this region has ever heard of the accounts: a follower that has not knows no key, and would refuse everybody. */
import type { Controller } from '../controller.ts'
import { readPlace } from './places.ts'

export const knowsAccounts = async ({ accounts, database: { db } }: Controller): Promise<boolean> =>
  accounts.homeUrl === undefined || (await readPlace(db, 'home')) > 0
