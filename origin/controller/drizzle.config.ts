/** For `drizzle-kit generate`, which writes a migration when something in database/schema has changed. */
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: './origin/controller/database/schema/*.ts',
  out: './origin/controller/migrations',
})
