CREATE SEQUENCE "public"."controller_instance" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1 CYCLE;--> statement-breakpoint
CREATE TABLE "api_key" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"tenant" text NOT NULL,
	"tier" text NOT NULL,
	"scopes" text[] NOT NULL,
	"status" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"pin" text,
	"key_version" integer NOT NULL,
	CONSTRAINT "api_key_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "event" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "event_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"sandbox" text NOT NULL,
	"tenant" text NOT NULL,
	"type" text NOT NULL,
	"data" jsonb NOT NULL,
	"ts" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "host" (
	"id" text PRIMARY KEY NOT NULL,
	"accepting" boolean NOT NULL,
	"draining" boolean NOT NULL,
	"offered_vcpus" integer NOT NULL,
	"offered_memory_mib" bigint NOT NULL,
	"offered_disk_mib" bigint NOT NULL,
	"offered_vms" integer NOT NULL,
	"reserved_vcpus" integer DEFAULT 0 NOT NULL,
	"reserved_memory_mib" bigint DEFAULT 0 NOT NULL,
	"reserved_disk_mib" bigint DEFAULT 0 NOT NULL,
	"reserved_vms" integer DEFAULT 0 NOT NULL,
	"last_seen" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "host_reserved" CHECK ("host"."reserved_vms" >= 0 and "host"."reserved_memory_mib" >= 0)
);
--> statement-breakpoint
CREATE TABLE "idempotency" (
	"tenant" text NOT NULL,
	"route" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"sandbox" text NOT NULL,
	"instance" integer NOT NULL,
	"status" integer,
	"response" text,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_tenant_route_key_pk" PRIMARY KEY("tenant","route","key")
);
--> statement-breakpoint
CREATE TABLE "quota_grant" (
	"tenant" text PRIMARY KEY NOT NULL,
	"granted" integer NOT NULL,
	"used" integer DEFAULT 0 NOT NULL,
	"epoch" bigint DEFAULT 0 NOT NULL,
	"limit_version" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "quota_grant_used" CHECK ("quota_grant"."used" >= 0)
);
--> statement-breakpoint
CREATE TABLE "sandbox" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text,
	"state" text NOT NULL,
	"revision" integer NOT NULL,
	"host" text NOT NULL,
	"instance" integer NOT NULL,
	"template" text NOT NULL,
	"vcpus" integer NOT NULL,
	"memory_mib" integer NOT NULL,
	"disk_mib" integer NOT NULL,
	"timeout_sec" integer NOT NULL,
	"idle_timeout_sec" integer NOT NULL,
	"always_on" boolean NOT NULL,
	"persistent" boolean NOT NULL,
	"env" jsonb NOT NULL,
	"metadata" jsonb NOT NULL,
	"tags" text[] NOT NULL,
	"external_workspace_id" text,
	"external_user_id" text,
	"external_project_id" text,
	"boot_path" text,
	"boot_ms" integer,
	"last_error" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ready_at" timestamp (3) with time zone,
	"expires_at" timestamp (3) with time zone,
	"destroyed_at" timestamp (3) with time zone,
	"released_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "tenant" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"tier" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tier" (
	"name" text PRIMARY KEY NOT NULL,
	"concurrency" integer NOT NULL,
	"requests_per_minute" integer NOT NULL,
	"max_size" text NOT NULL,
	"max_timeout_sec" integer NOT NULL,
	"max_body_mib" integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tier_tier_name_fk" FOREIGN KEY ("tier") REFERENCES "public"."tier"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "quota_grant" ADD CONSTRAINT "quota_grant_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sandbox" ADD CONSTRAINT "sandbox_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sandbox" ADD CONSTRAINT "sandbox_host_host_id_fk" FOREIGN KEY ("host") REFERENCES "public"."host"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_tier_tier_name_fk" FOREIGN KEY ("tier") REFERENCES "public"."tier"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "event_sandbox" ON "event" USING btree ("sandbox","id");--> statement-breakpoint
CREATE INDEX "event_tenant" ON "event" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "idempotency_expiry" ON "idempotency" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sandbox_name" ON "sandbox" USING btree ("tenant","name") WHERE "sandbox"."name" is not null and "sandbox"."state" not in ('destroyed', 'error');--> statement-breakpoint
CREATE INDEX "sandbox_list" ON "sandbox" USING btree ("tenant","id") WHERE "sandbox"."state" <> 'destroyed';--> statement-breakpoint
CREATE INDEX "sandbox_list_destroyed" ON "sandbox" USING btree ("tenant","id") WHERE "sandbox"."state" = 'destroyed';--> statement-breakpoint
CREATE INDEX "sandbox_holding" ON "sandbox" USING btree ("host") WHERE "sandbox"."released_at" is null;
