CREATE TABLE "preview" (
	"id" text PRIMARY KEY NOT NULL,
	"sandbox" text NOT NULL,
	"port" integer NOT NULL,
	"visibility" text NOT NULL,
	"round" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "preview" ADD CONSTRAINT "preview_sandbox_sandbox_id_fk" FOREIGN KEY ("sandbox") REFERENCES "public"."sandbox"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "preview_port" ON "preview" USING btree ("sandbox","port");