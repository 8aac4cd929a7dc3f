CREATE TABLE "snapshot" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"sandbox" text NOT NULL,
	"external_user" text,
	"host" text NOT NULL,
	"space" text,
	"state" text NOT NULL,
	"instance" integer NOT NULL,
	"comment" text,
	"template" text NOT NULL,
	"vcpus" integer NOT NULL,
	"memory_mib" integer NOT NULL,
	"disk_mib" integer NOT NULL,
	"env" jsonb NOT NULL,
	"bytes" bigint,
	"stopped_ms" integer,
	"last_error" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "space" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"external_user" text,
	"state" text NOT NULL,
	"revision" integer NOT NULL,
	"instance" integer NOT NULL,
	"spec" jsonb NOT NULL,
	"sandbox" text,
	"snapshot" text,
	"next_snapshot" text,
	"last_error" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	"opened_at" timestamp (3) with time zone,
	"frozen_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "fork" text;--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "merge_into" text;--> statement-breakpoint
ALTER TABLE "snapshot" ADD CONSTRAINT "snapshot_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshot" ADD CONSTRAINT "snapshot_host_host_id_fk" FOREIGN KEY ("host") REFERENCES "public"."host"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "space" ADD CONSTRAINT "space_tenant_tenant_id_fk" FOREIGN KEY ("tenant") REFERENCES "public"."tenant"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "snapshot_list" ON "snapshot" USING btree ("tenant","id") WHERE "snapshot"."state" <> 'deleting';--> statement-breakpoint
CREATE INDEX "snapshot_sandbox" ON "snapshot" USING btree ("sandbox","id");--> statement-breakpoint
CREATE INDEX "snapshot_host" ON "snapshot" USING btree ("host");--> statement-breakpoint
CREATE INDEX "snapshot_failed" ON "snapshot" USING btree ("changed_at") WHERE "snapshot"."state" = 'failed';--> statement-breakpoint
CREATE UNIQUE INDEX "space_name" ON "space" USING btree ("tenant",coalesce("external_user", ''),"name");--> statement-breakpoint
CREATE INDEX "space_list" ON "space" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "space_awake" ON "space" USING btree ("changed_at") WHERE "space"."state" <> 'frozen';--> statement-breakpoint
CREATE INDEX "sandbox_fork" ON "sandbox" USING btree ("fork") WHERE "sandbox"."fork" is not null;--> statement-breakpoint

-- Locks go on in the order of 0001: idempotency claim, sandbox rows by id, quota row, host rows by id, then snapshot and space.

-- A claim on an Idempotency-Key that is won before what it is for is begun. `made` names that, for those who come with the same key.
CREATE FUNCTION claim_key(claim jsonb, owner text, made text, by_instance integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  earlier idempotency;
BEGIN
  INSERT INTO idempotency (tenant, route, key, fingerprint, sandbox, instance, expires_at)
  VALUES (owner, claim ->> 'route', claim ->> 'key', claim ->> 'fingerprint', made, by_instance,
          clock_timestamp() + make_interval(secs => (claim ->> 'ttl_sec')::integer))
  ON CONFLICT (tenant, route, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, sandbox = excluded.sandbox, instance = excluded.instance,
        status = NULL, response = NULL, expires_at = excluded.expires_at
    WHERE idempotency.expires_at <= clock_timestamp();
  IF FOUND THEN
    RETURN jsonb_build_object('verdict', 'won');
  END IF;
  SELECT * INTO earlier FROM idempotency WHERE tenant = owner AND route = claim ->> 'route' AND key = claim ->> 'key';
  RETURN CASE
    WHEN earlier.fingerprint IS NULL THEN jsonb_build_object('verdict', 'try_again')
    WHEN earlier.fingerprint <> claim ->> 'fingerprint' THEN jsonb_build_object('verdict', 'key_reused')
    WHEN earlier.status IS NOT NULL THEN
      jsonb_build_object('verdict', 'replay', 'status', earlier.status, 'response', earlier.response)
    ELSE
      jsonb_build_object('verdict', 'in_progress', 'sandbox', earlier.sandbox, 'instance', earlier.instance,
                         'alive', instance_alive(earlier.instance))
  END;
END $$;
--> statement-breakpoint

-- Whether so many machines of one kind may be promised on a host at once; its row is locked, as by the function of the same name for one.
CREATE FUNCTION host_has_room(wanted text, for_tenant text, need_memory_mib bigint, need_disk_mib bigint, machines integer) RETURNS boolean
LANGUAGE sql AS $$
  SELECT host_has_room(wanted, for_tenant, need_memory_mib * machines, need_disk_mib * machines)
    AND (SELECT reserved_vms + machines <= offered_vms FROM host WHERE id = wanted)
$$;
--> statement-breakpoint

-- The children of a fork: all of them win a slot and room beside their parent, or none does. They are what the parent is, but for what
-- the request says.
CREATE FUNCTION admit_children(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  parent sandbox;
  child sandbox;
  quota quota_grant;
  verdict text;
  ids text[] := ARRAY(SELECT jsonb_array_elements_text(request -> 'children'));
  machines integer := cardinality(ids);
  child_id text;
BEGIN
  SELECT * INTO parent FROM sandbox WHERE id = request ->> 'parent' FOR UPDATE;
  verdict := standing_of_key(request ->> 'key', parent.tenant);
  IF verdict <> 'active' THEN
    RETURN jsonb_build_object('verdict', verdict);
  END IF;
  IF parent.state NOT IN ('running', 'snapshotting') THEN
    RETURN jsonb_build_object('verdict', 'elsewhere');
  END IF;

  child := parent;
  child.name := request ->> 'name';
  child.slug := NULL;
  child.timeout_sec := coalesce((request ->> 'timeout_sec')::integer, parent.timeout_sec);
  child.metadata := parent.metadata || coalesce(nullif(request -> 'metadata', 'null'::jsonb), '{}'::jsonb);
  child.external_user_id := coalesce(request ->> 'external_user_id', parent.external_user_id);
  child.instance := (request ->> 'instance')::integer;
  child.fork := ids[1];
  child.state := 'creating';
  child.revision := 1;
  child.merge_into := NULL;
  child.boot_path := NULL;
  child.boot_ms := NULL;
  child.last_error := NULL;
  child.started_at := NULL;
  child.runtime_ms := NULL;
  child.ready_at := NULL;
  child.expires_at := NULL;

  SELECT * INTO quota FROM quota_grant WHERE tenant = parent.tenant FOR UPDATE;
  IF quota.tenant IS NULL OR quota.used + machines > quota.granted THEN
    verdict := 'concurrency_limit';
  ELSIF external_room(child.tenant, child.external_user_id, (request ->> 'external_max')::integer) < machines THEN
    verdict := 'external_limit';
  ELSIF child.name IS NOT NULL AND EXISTS (
    SELECT FROM sandbox WHERE tenant = child.tenant AND name = child.name AND state NOT IN ('destroyed', 'error')
  ) THEN
    verdict := 'name_taken';
  ELSIF NOT host_has_room(parent.host, parent.tenant, parent.memory_mib, parent.disk_mib, machines) THEN
    verdict := 'host_full';
  ELSE
    child.created_at := clock_timestamp();
    child.changed_at := child.created_at;
    FOREACH child_id IN ARRAY ids LOOP
      child.id := child_id;
      INSERT INTO sandbox SELECT child.*;
    END LOOP;
    RETURN jsonb_build_object('verdict', 'created');
  END IF;
  RETURN jsonb_build_object('verdict', verdict, 'granted', coalesce(quota.granted, 0), 'used', coalesce(quota.used, 0));
END $$;
--> statement-breakpoint

-- The row of a snapshot, and its sandbox in the state in which it is taken: one that runs is `snapshotting`, one that is paused stays so.
-- The state of a space is not counted: a space has one at a time.
CREATE FUNCTION admit_snapshot(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  wanted snapshot := jsonb_populate_record(NULL::snapshot, request -> 'snapshot');
  of_sandbox sandbox;
BEGIN
  SELECT * INTO of_sandbox FROM sandbox WHERE id = wanted.sandbox FOR UPDATE;
  IF of_sandbox.state IS NULL OR of_sandbox.state NOT IN ('running', 'paused') THEN
    RETURN jsonb_build_object('verdict', 'elsewhere');
  END IF;
  IF wanted.space IS NULL THEN
    PERFORM FROM quota_grant WHERE tenant = of_sandbox.tenant FOR UPDATE;
    IF (SELECT count(*) FROM snapshot WHERE tenant = of_sandbox.tenant AND space IS NULL AND state <> 'deleting') >= (request ->> 'tenant_max')::integer THEN
      RETURN jsonb_build_object('verdict', 'tenant_limit');
    END IF;
    IF (SELECT count(*) FROM snapshot WHERE sandbox = of_sandbox.id AND space IS NULL AND state <> 'deleting') >= (request ->> 'sandbox_max')::integer THEN
      RETURN jsonb_build_object('verdict', 'sandbox_limit');
    END IF;
  END IF;

  wanted.tenant := of_sandbox.tenant;
  wanted.external_user := of_sandbox.external_user_id;
  wanted.host := of_sandbox.host;
  wanted.template := of_sandbox.template;
  wanted.vcpus := of_sandbox.vcpus;
  wanted.memory_mib := of_sandbox.memory_mib;
  wanted.disk_mib := of_sandbox.disk_mib;
  wanted.env := of_sandbox.env;
  wanted.state := 'creating';
  wanted.created_at := clock_timestamp();
  wanted.changed_at := wanted.created_at;
  IF of_sandbox.state = 'running' THEN
    UPDATE sandbox SET state = 'snapshotting', revision = revision + 1, changed_at = wanted.created_at, instance = wanted.instance
    WHERE id = of_sandbox.id;
  END IF;
  INSERT INTO snapshot SELECT wanted.*;
  RETURN jsonb_build_object('verdict', 'created', 'host', wanted.host);
END $$;
--> statement-breakpoint

-- As in 0006, but for the event of a sandbox that was kept: it goes on, which is not that it was resumed.
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
        WHEN NEW.state = 'running' AND OLD.ready_at IS NOT NULL AND OLD.state <> 'snapshotting' THEN 'sandbox.resumed'
        ELSE 'sandbox.' || NEW.state
      END,
      jsonb_strip_nulls(jsonb_build_object(
        'state', NEW.state, 'revision', NEW.revision, 'boot_path', NEW.boot_path, 'boot_ms', NEW.boot_ms,
        'last_error', CASE WHEN NEW.state = 'error' THEN NEW.last_error END)),
      NEW.changed_at);
  END IF;
  RETURN NULL;
END $$;
