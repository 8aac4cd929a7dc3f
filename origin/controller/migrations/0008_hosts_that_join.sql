ALTER TABLE "host" ADD COLUMN "name" text;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "drain_started_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "host_tenant" ON "host" USING btree ("tenant");--> statement-breakpoint
ALTER TABLE "host" ADD CONSTRAINT "host_fingerprint_unique" UNIQUE("fingerprint");