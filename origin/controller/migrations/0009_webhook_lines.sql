DROP INDEX "delivery_due";--> statement-breakpoint
CREATE INDEX "delivery_due" ON "delivery" USING btree ("webhook","next_at") WHERE "delivery"."status" = 'pending';