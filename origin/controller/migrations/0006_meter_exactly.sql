DROP INDEX "usage_tenant";--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "vcpu" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "memory_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "paused_memory_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
ALTER TABLE "rate" ALTER COLUMN "disk_gib" SET DATA TYPE numeric(15, 9);--> statement-breakpoint
CREATE INDEX "usage_tenant_closed" ON "usage_interval" USING btree ("tenant",coalesce("closed_at", 'infinity'));--> statement-breakpoint
CREATE INDEX "usage_tenant" ON "usage_interval" USING btree ("tenant","opened_at","id");
--> statement-breakpoint
-- What a unit costs until an operator says otherwise.
INSERT INTO rate (since, currency, vcpu, memory_gib, paused_memory_gib, disk_gib)
VALUES ('1970-01-01', 'USD', 0.05, 0.016, 0.002, 0.0001) ON CONFLICT DO NOTHING;
--> statement-breakpoint

-- What follows from a sandbox's row, whoever writes it: the tenant's slot, the host's room, the meter, and the event.
CREATE OR REPLACE FUNCTION sandbox_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  slots integer := is_counted(NEW.state)::integer;
  held boolean := NEW.released_at IS NULL;
  meter text := metered_as(NEW.state);
  meter_before text;
  metered_to timestamptz;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    slots := slots - is_counted(OLD.state)::integer;
    meter_before := metered_as(OLD.state);
  END IF;
  IF slots <> 0 THEN
    UPDATE quota_grant SET used = used + slots WHERE tenant = NEW.tenant;
  END IF;

  IF TG_OP = 'UPDATE' AND OLD.released_at IS NULL AND (NOT held OR NEW.host <> OLD.host) THEN
    UPDATE host SET reserved_vcpus = reserved_vcpus - OLD.vcpus, reserved_memory_mib = reserved_memory_mib - OLD.memory_mib,
      reserved_disk_mib = reserved_disk_mib - OLD.disk_mib, reserved_vms = reserved_vms - 1
    WHERE id = OLD.host;
  END IF;
  IF held AND (TG_OP = 'INSERT' OR OLD.released_at IS NOT NULL OR NEW.host <> OLD.host) THEN
    UPDATE host SET reserved_vcpus = reserved_vcpus + NEW.vcpus, reserved_memory_mib = reserved_memory_mib + NEW.memory_mib,
      reserved_disk_mib = reserved_disk_mib + NEW.disk_mib, reserved_vms = reserved_vms + 1
    WHERE id = NEW.host;
  END IF;

  IF meter IS DISTINCT FROM meter_before THEN
    IF meter_before IS NOT NULL THEN
      -- Not after its time was over, because its host ended it then, even if nobody was there to hear of it; and if it is gone, not after
      -- its host was last heard of. A clock that was set back never makes time that is negative.
      UPDATE usage_interval
      SET closed_at = greatest(opened_at, least(
        metered_until(CASE WHEN meter IS NULL THEN OLD.host END, NEW.changed_at), OLD.expires_at))
      WHERE sandbox = NEW.id AND closed_at IS NULL
      RETURNING closed_at INTO metered_to;
    ELSIF TG_OP = 'UPDATE' THEN
      SELECT closed_at INTO metered_to FROM usage_interval WHERE sandbox = NEW.id ORDER BY id DESC LIMIT 1;
    END IF;
    IF meter IS NOT NULL THEN
      -- What went on without a break is metered without one; what begins anew, never from before the last end, whatever the clock says.
      INSERT INTO usage_interval (sandbox, tenant, workspace, external_user, state, vcpus, memory_mib, disk_mib, opened_at)
      VALUES (NEW.id, NEW.tenant, NEW.workspace, NEW.external_user_id, meter, NEW.vcpus, NEW.memory_mib, NEW.disk_mib,
        CASE WHEN meter_before IS NULL THEN greatest(NEW.changed_at, metered_to) ELSE coalesce(metered_to, NEW.changed_at) END);
    END IF;
  END IF;

  IF TG_OP = 'INSERT' OR NEW.state <> OLD.state THEN
    INSERT INTO event (sandbox, tenant, external_user, type, data, ts) VALUES (
      NEW.id, NEW.tenant, NEW.external_user_id,
      CASE
        WHEN NEW.state = 'creating' THEN 'sandbox.created'
        WHEN NEW.state = 'running' AND OLD.ready_at IS NOT NULL THEN 'sandbox.resumed'
        ELSE 'sandbox.' || NEW.state
      END,
      jsonb_strip_nulls(jsonb_build_object(
        'state', NEW.state, 'revision', NEW.revision, 'boot_path', NEW.boot_path, 'boot_ms', NEW.boot_ms,
        'last_error', CASE WHEN NEW.state = 'error' THEN NEW.last_error END)),
      NEW.changed_at);
  END IF;
  RETURN NULL;
END $$;
