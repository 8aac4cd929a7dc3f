/** What a controller holds in memory about accounts, and where the rest of the installation is. */
import type { Db } from '../database/connect.ts'
import { createTenantBooks, type TenantBooks } from '../egress/tenant-books.ts'
import { type AccountNews, createAccountNews } from './account-news.ts'
import { type BrowserWords, createBrowserWords } from './browser-tokens.ts'
import { createKeyFinder, type KeyFinder } from './key-facts.ts'
import { createKeyUses, type KeyUses } from './key-uses.ts'
import { type AccountSecrets, createAccountSecrets } from './secrets.ts'

export type Accounts = {
  /** The home region, where accounts are written. Undefined when this is it. */
  homeUrl: string | undefined
  /** The edge, to which the home region tells of its keys. Undefined when there is none. */
  edgeUrl: string | undefined
  /** What the regions and the edge say to each other. */
  internalToken: string
  secrets: AccountSecrets
  finder: KeyFinder
  /** Where tenants let their sandboxes go. */
  books: TenantBooks
  words: BrowserWords
  news: AccountNews
  uses: KeyUses
  /** Said after every write or copy, so that this process goes by it at once. */
  changed(): void
}

type Setting = {
  keyPepper: string
  homeUrl: string | undefined
  edgeUrl: string | undefined
  internalToken: string
}

export function createAccounts(db: Db, setting: Setting, clock: () => number): Accounts {
  const { homeUrl, edgeUrl, internalToken, keyPepper } = setting
  const secrets = createAccountSecrets(keyPepper)
  const finder = createKeyFinder(db, clock)
  const books = createTenantBooks(db, clock)
  const news = createAccountNews()
  return {
    homeUrl,
    edgeUrl,
    internalToken,
    secrets,
    finder,
    books,
    words: createBrowserWords(db, secrets.browserSecret, finder, clock),
    news,
    uses: createKeyUses(clock),
    changed() {
      finder.forget()
      books.forget()
      news.tell()
    },
  }
}
