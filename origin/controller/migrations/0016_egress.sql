CREATE TABLE "egress_audit" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"sandbox" text NOT NULL,
	"external_user" text,
	"host" text NOT NULL,
	"port" integer NOT NULL,
	"method" text,
	"path" text,
	"action" text NOT NULL,
	"reason" text NOT NULL,
	"rule" text,
	"bytes_up" bigint NOT NULL,
	"bytes_down" bigint NOT NULL,
	"missed" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"inserted_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "egress_binding" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"version" bigint DEFAULT 0 NOT NULL,
	"secret" text NOT NULL,
	"resource" text NOT NULL,
	"expose_as_env" text
);
--> statement-breakpoint
CREATE TABLE "egress_policy" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"version" bigint DEFAULT 0 NOT NULL,
	"resource" text,
	"name" text NOT NULL,
	"mode" text NOT NULL,
	"default_effect" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "egress_reader" (
	"host" text PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "egress_rule" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"version" bigint DEFAULT 0 NOT NULL,
	"resource" text,
	"policy" text,
	"host" text NOT NULL,
	"effect" text NOT NULL,
	"methods" text[],
	"path_glob" text,
	"ports" integer[],
	"note" text
);
--> statement-breakpoint
CREATE TABLE "egress_secret" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	"version" bigint DEFAULT 0 NOT NULL,
	"resource" text,
	"name" text NOT NULL,
	"type" text NOT NULL,
	"scope" text NOT NULL,
	"expose_as_env" text,
	"hosts" text[] NOT NULL,
	"workspace_id" text,
	"owner_user_id" text,
	"external_user_id" text,
	"external_workspace_id" text,
	"metadata" jsonb NOT NULL,
	"placeholder" text NOT NULL,
	"value" text NOT NULL,
	"masked_value" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "egress" jsonb;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "egress_revision" integer;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "egress_mark" text;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "egress_version" bigint;--> statement-breakpoint
ALTER TABLE "snapshot" ADD COLUMN "egress" jsonb;--> statement-breakpoint
ALTER TABLE "egress_binding" ADD CONSTRAINT "egress_binding_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "egress_policy" ADD CONSTRAINT "egress_policy_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "egress_rule" ADD CONSTRAINT "egress_rule_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "egress_secret" ADD CONSTRAINT "egress_secret_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "egress_audit_tenant" ON "egress_audit" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "egress_audit_sandbox" ON "egress_audit" USING btree ("tenant","sandbox","id");--> statement-breakpoint
CREATE INDEX "egress_audit_age" ON "egress_audit" USING btree ("inserted_at");--> statement-breakpoint
CREATE INDEX "egress_binding_tenant" ON "egress_binding" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "egress_binding_version" ON "egress_binding" USING btree ("version");--> statement-breakpoint
CREATE INDEX "egress_policy_tenant" ON "egress_policy" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "egress_policy_version" ON "egress_policy" USING btree ("version");--> statement-breakpoint
CREATE INDEX "egress_rule_tenant" ON "egress_rule" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "egress_rule_version" ON "egress_rule" USING btree ("version");--> statement-breakpoint
CREATE INDEX "egress_secret_tenant" ON "egress_secret" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "egress_secret_version" ON "egress_secret" USING btree ("version");--> statement-breakpoint
CREATE INDEX "egress_secret_expiry" ON "egress_secret" USING btree ("expires_at") WHERE "egress_secret"."expires_at" is not null and "egress_secret"."value" <> '';