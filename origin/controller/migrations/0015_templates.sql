CREATE TABLE "template" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"spec" jsonb,
	"metadata" jsonb NOT NULL,
	"last_version" integer NOT NULL,
	"tags" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "template_build" (
	"id" text PRIMARY KEY NOT NULL,
	"template" text NOT NULL,
	"tenant" text NOT NULL,
	"state" text NOT NULL,
	"revision" integer NOT NULL,
	"instance" integer NOT NULL,
	"attempts" integer NOT NULL,
	"version" integer,
	"tags" text[] NOT NULL,
	"spec" jsonb NOT NULL,
	"metadata" jsonb NOT NULL,
	"is_uncached" boolean NOT NULL,
	"principal" jsonb NOT NULL,
	"base" text NOT NULL,
	"base_snapshot" text,
	"steps" jsonb NOT NULL,
	"error" jsonb,
	"sandbox" text,
	"snapshot" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "template_build_log" (
	"build" text NOT NULL,
	"seq" integer NOT NULL,
	"step" integer,
	"stream" text NOT NULL,
	"line" text NOT NULL,
	"ts" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "template_build_log_build_seq_pk" PRIMARY KEY("build","seq")
);
--> statement-breakpoint
CREATE TABLE "template_step" (
	"tenant" text NOT NULL,
	"key" text NOT NULL,
	"snapshot" text NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "template_step_tenant_key_pk" PRIMARY KEY("tenant","key")
);
--> statement-breakpoint
ALTER TABLE "template" ADD CONSTRAINT "template_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "template_build" ADD CONSTRAINT "template_build_template_template_id_fk" FOREIGN KEY ("template") REFERENCES "public"."template"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "template_build_log" ADD CONSTRAINT "template_build_log_build_template_build_id_fk" FOREIGN KEY ("build") REFERENCES "public"."template_build"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "template_slug" ON "template" USING btree ("tenant","slug");--> statement-breakpoint
CREATE INDEX "template_list" ON "template" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "template_build_list" ON "template_build" USING btree ("template","id");--> statement-breakpoint
CREATE UNIQUE INDEX "template_build_version" ON "template_build" USING btree ("template","version") WHERE "template_build"."version" is not null;--> statement-breakpoint
CREATE INDEX "template_build_base" ON "template_build" USING btree ("tenant","base") WHERE "template_build"."version" is not null;--> statement-breakpoint
CREATE INDEX "template_build_open" ON "template_build" USING btree ("id") WHERE "template_build"."state" not in ('ready', 'failed', 'cancelled') or "template_build"."sandbox" is not null;--> statement-breakpoint
CREATE INDEX "template_build_ended" ON "template_build" USING btree ("finished_at") WHERE "template_build"."version" is null;--> statement-breakpoint
CREATE INDEX "template_step_used" ON "template_step" USING btree ("used_at");--> statement-breakpoint
CREATE INDEX "template_step_snapshot" ON "template_step" USING btree ("snapshot");