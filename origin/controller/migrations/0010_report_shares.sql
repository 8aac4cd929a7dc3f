ALTER TABLE "quota_grant" ADD COLUMN "reported_at" timestamp (3) with time zone DEFAULT 'infinity' NOT NULL;--> statement-breakpoint
CREATE INDEX "quota_grant_reported" ON "quota_grant" USING btree ("reported_at");--> statement-breakpoint
-- Whatever was granted so far, no authority has heard of.
UPDATE quota_grant SET reported_at = '-infinity' WHERE granted > 0;
