ALTER TABLE "sandbox" ADD COLUMN "slug" text;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "runtime_ms" bigint;