CREATE SEQUENCE "public"."account_version" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE SEQUENCE "public"."event_position" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "account_reader" (
	"name" text PRIMARY KEY NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "external_limit" (
	"tenant" text NOT NULL,
	"external_user" text NOT NULL,
	"concurrency" integer,
	"version" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "external_limit_tenant_external_user_pk" PRIMARY KEY("tenant","external_user")
);
--> statement-breakpoint
CREATE TABLE "workspace" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "delivery" (
	"id" text PRIMARY KEY NOT NULL,
	"webhook" text NOT NULL,
	"tenant" text NOT NULL,
	"event_id" text NOT NULL,
	"type" text NOT NULL,
	"sandbox" text,
	"position" bigint,
	"body" text NOT NULL,
	"status" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" timestamp (3) with time zone NOT NULL,
	"response_status" integer,
	"error" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "webhook" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text DEFAULT '' NOT NULL,
	"url" text NOT NULL,
	"events" text[] NOT NULL,
	"headers" jsonb NOT NULL,
	"secret" text NOT NULL,
	"retry_count" integer NOT NULL,
	"active" boolean NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "host_token" (
	"id" text PRIMARY KEY NOT NULL,
	"hash" text NOT NULL,
	"tenant" text,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone,
	"host" text,
	CONSTRAINT "host_token_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "rate" (
	"since" date PRIMARY KEY NOT NULL,
	"currency" text NOT NULL,
	"vcpu" double precision NOT NULL,
	"memory_gib" double precision NOT NULL,
	"paused_memory_gib" double precision NOT NULL,
	"disk_gib" double precision NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_interval" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "usage_interval_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"sandbox" text NOT NULL,
	"tenant" text NOT NULL,
	"workspace" text,
	"external_user" text,
	"state" text NOT NULL,
	"vcpus" integer NOT NULL,
	"memory_mib" integer NOT NULL,
	"disk_mib" integer NOT NULL,
	"opened_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone
);
--> statement-breakpoint
DROP INDEX "event_sandbox";--> statement-breakpoint
DROP INDEX "event_tenant";--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "name" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "type" text DEFAULT 'user' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "purpose" text;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "prefix" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "external_user" text;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "limits" jsonb;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "last_used_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_key" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "event" ADD COLUMN "external_user" text;--> statement-breakpoint
ALTER TABLE "event" ADD COLUMN "position" bigint;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "cordoned" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "tenant" text;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "url" text;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "fingerprint" text;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "secret" text;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "joined_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "host" ADD COLUMN "removed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "workspace" text;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "status" text DEFAULT 'active' NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "tenant" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "tier" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "external_limit" ADD CONSTRAINT "external_limit_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_webhook_webhook_id_fk" FOREIGN KEY ("webhook") REFERENCES "public"."webhook"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook" ADD CONSTRAINT "webhook_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "host_token" ADD CONSTRAINT "host_token_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "workspace_slug" ON "workspace" USING btree ("tenant","slug");--> statement-breakpoint
CREATE INDEX "delivery_due" ON "delivery" USING btree ("next_at") WHERE "delivery"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "delivery_order" ON "delivery" USING btree ("webhook","sandbox","position") WHERE "delivery"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "delivery_webhook" ON "delivery" USING btree ("webhook","id");--> statement-breakpoint
CREATE INDEX "delivery_finished" ON "delivery" USING btree ("finished_at") WHERE "delivery"."finished_at" is not null;--> statement-breakpoint
CREATE INDEX "webhook_tenant" ON "webhook" USING btree ("tenant","id");--> statement-breakpoint
CREATE UNIQUE INDEX "usage_open" ON "usage_interval" USING btree ("sandbox") WHERE "usage_interval"."closed_at" is null;--> statement-breakpoint
CREATE INDEX "usage_tenant" ON "usage_interval" USING btree ("tenant","opened_at");--> statement-breakpoint
CREATE INDEX "usage_sandbox" ON "usage_interval" USING btree ("sandbox","id");--> statement-breakpoint
ALTER TABLE "host" ADD CONSTRAINT "host_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sandbox" ADD CONSTRAINT "sandbox_workspace_workspace_id_fk" FOREIGN KEY ("workspace") REFERENCES "public"."workspace"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_key_tenant" ON "api_key" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "event_unpublished" ON "event" USING btree ("id") WHERE "event"."position" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "event_by_position" ON "event" USING btree ("position") WHERE "event"."position" is not null;--> statement-breakpoint
CREATE INDEX "event_sandbox_position" ON "event" USING btree ("sandbox","position");--> statement-breakpoint
CREATE INDEX "event_tenant_position" ON "event" USING btree ("tenant","position");--> statement-breakpoint
CREATE INDEX "sandbox_external_user" ON "sandbox" USING btree ("tenant","external_user_id") WHERE "sandbox"."external_user_id" is not null and "sandbox"."state" <> 'destroyed';--> statement-breakpoint
CREATE INDEX "sandbox_workspace" ON "sandbox" USING btree ("tenant","workspace","id") WHERE "sandbox"."workspace" is not null and "sandbox"."state" <> 'destroyed';--> statement-breakpoint
CREATE INDEX "sandbox_tags" ON "sandbox" USING gin ("tags") WHERE cardinality("sandbox"."tags") > 0 and "sandbox"."state" <> 'destroyed';--> statement-breakpoint
CREATE INDEX "sandbox_ended" ON "sandbox" USING btree ("changed_at") WHERE "sandbox"."released_at" is not null;