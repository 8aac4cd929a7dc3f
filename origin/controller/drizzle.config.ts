/** For `drizzle-kit generate`, which writes a migration when schema.ts has changed. */
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'postgresql',
  schema: './origin/controller/database/schema.ts',
  out: './origin/controller/migrations',
})
