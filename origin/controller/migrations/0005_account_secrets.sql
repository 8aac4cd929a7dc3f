CREATE TABLE "retired_secret" (
	"hash" text PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"key_version" integer NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "used_ticket" (
	"id" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "retired_secret_key" ON "retired_secret" USING btree ("key");--> statement-breakpoint
CREATE INDEX "retired_secret_version" ON "retired_secret" USING btree ("version");--> statement-breakpoint
CREATE INDEX "api_key_version" ON "api_key" USING btree ("version");--> statement-breakpoint

-- The word on a key at this moment, which is also its tenant's; caches elsewhere are never the boundary for what changes something.
CREATE OR REPLACE FUNCTION standing_of_key(wanted text, owner text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT CASE
       WHEN k.status = 'active' AND t.status = 'active' AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()) THEN 'active'
       ELSE 'key_revoked' END
     FROM api_key k JOIN tenant t ON t.id = k.tenant WHERE k.id = wanted AND k.tenant = owner),
    'key_unknown')
$$;
