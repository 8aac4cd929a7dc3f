CREATE TABLE "preview_share" (
	"id" text PRIMARY KEY NOT NULL,
	"preview" text NOT NULL,
	"round" integer NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "preview_share" ADD CONSTRAINT "preview_share_preview_preview_id_fk" FOREIGN KEY ("preview") REFERENCES "public"."preview"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "preview_share_preview" ON "preview_share" USING btree ("preview");