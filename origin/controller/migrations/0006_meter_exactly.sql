DROP INDEX "usage_tenant";--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "vcpu" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "memory_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "paused_memory_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "disk_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
CREATE INDEX "usage_tenant_closed" ON "usage_interval" USING btree ("tenant",coalesce("closed_at", 'infinity'));--> statement-breakpoint
CREATE INDEX "usage_tenant" ON "usage_interval" USING btree ("tenant","opened_at","id");