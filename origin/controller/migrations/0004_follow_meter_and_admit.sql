-- The functions of 0001, now with the meter, the limits of a tenant's own users, and hosts that are cordoned or a customer's own.

-- How a state is metered, if it is: a machine is paid for from its first moment of running, and its memory and disk while it is paused.
CREATE FUNCTION metered_as(state text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN state IN ('running', 'snapshotting') THEN 'running' WHEN state = 'paused' THEN 'paused' END
$$;
--> statement-breakpoint

-- A machine that was lost is not paid for after its host was last heard of. The time without word that makes a loss stands in
-- LIMITS.hostLostAfterMs, too (a test compares the two).
CREATE FUNCTION metered_until(wanted_host text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT last_seen FROM host WHERE id = wanted_host AND last_seen < at - interval '15 seconds'), at)
$$;
--> statement-breakpoint

-- What follows from a sandbox's row, whoever writes it: the tenant's slot, the host's room, the meter, and the event.
CREATE OR REPLACE FUNCTION sandbox_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  slots integer := is_counted(NEW.state)::integer;
  held boolean := NEW.released_at IS NULL;
  meter text := metered_as(NEW.state);
  meter_before text;
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
      -- A clock that was set back never makes time that is negative.
      UPDATE usage_interval SET closed_at = greatest(opened_at, metered_until(OLD.host, NEW.changed_at))
      WHERE sandbox = NEW.id AND closed_at IS NULL;
    END IF;
    IF meter IS NOT NULL THEN
      INSERT INTO usage_interval (sandbox, tenant, workspace, external_user, state, vcpus, memory_mib, disk_mib, opened_at)
      VALUES (NEW.id, NEW.tenant, NEW.workspace, NEW.external_user_id, meter, NEW.vcpus, NEW.memory_mib, NEW.disk_mib, NEW.changed_at);
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
--> statement-breakpoint

DROP FUNCTION host_has_room(text, bigint, bigint);
--> statement-breakpoint

-- Locks the host's row and says whether a machine of this size may be promised there to this tenant. CPUs are shared by the scheduler,
-- so they are no bound.
CREATE FUNCTION host_has_room(wanted text, for_tenant text, need_memory_mib bigint, need_disk_mib bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  found_host host;
BEGIN
  SELECT * INTO found_host FROM host WHERE id = wanted FOR UPDATE;
  RETURN FOUND AND found_host.accepting AND NOT found_host.draining AND NOT found_host.cordoned AND found_host.removed_at IS NULL
    AND (found_host.tenant IS NULL OR found_host.tenant = for_tenant)
    AND found_host.reserved_vms < found_host.offered_vms
    AND found_host.reserved_memory_mib + need_memory_mib <= found_host.offered_memory_mib
    AND found_host.reserved_disk_mib + need_disk_mib <= found_host.offered_disk_mib;
END $$;
--> statement-breakpoint

-- How many of the tenant's user's sandboxes may still be started here, or null when nothing bounds them. `key_max` is the bound of the
-- key that asks. Exact because whoever asks holds the lock on the tenant's row of quota_grant.
CREATE FUNCTION external_room(of_tenant text, of_user text, key_max integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  most integer := key_max;
BEGIN
  IF of_user IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT least(concurrency, key_max) INTO most FROM external_limit WHERE tenant = of_tenant AND external_user = of_user;
  most := coalesce(most, key_max);
  IF most IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN most - (
    SELECT count(*) FROM sandbox
    WHERE tenant = of_tenant AND external_user_id = of_user AND state <> 'destroyed' AND is_counted(state));
END $$;
--> statement-breakpoint

-- Everything a create must win before it may touch a host, or a word that says why not.
-- A refusal leaves nothing behind, not even the claim on its idempotency key.
CREATE OR REPLACE FUNCTION admit_sandbox(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  wanted sandbox := jsonb_populate_record(NULL::sandbox, request -> 'sandbox');
  claim jsonb := nullif(request -> 'claim', 'null'::jsonb);
  earlier idempotency;
  quota quota_grant;
  verdict text := standing_of_key(request ->> 'key', wanted.tenant);
BEGIN
  IF verdict <> 'active' THEN
    RETURN jsonb_build_object('verdict', verdict);
  END IF;

  IF claim IS NOT NULL THEN
    INSERT INTO idempotency (tenant, route, key, fingerprint, sandbox, instance, expires_at)
    VALUES (wanted.tenant, claim ->> 'route', claim ->> 'key', claim ->> 'fingerprint', wanted.id, wanted.instance,
            clock_timestamp() + make_interval(secs => (claim ->> 'ttl_sec')::integer))
    ON CONFLICT (tenant, route, key) DO UPDATE
      SET fingerprint = excluded.fingerprint, sandbox = excluded.sandbox, instance = excluded.instance,
          status = NULL, response = NULL, expires_at = excluded.expires_at
      WHERE idempotency.expires_at <= clock_timestamp();
    IF NOT FOUND THEN
      SELECT * INTO earlier FROM idempotency
      WHERE tenant = wanted.tenant AND route = claim ->> 'route' AND key = claim ->> 'key';
      RETURN CASE
        WHEN earlier.fingerprint IS NULL THEN jsonb_build_object('verdict', 'try_again')
        WHEN earlier.fingerprint <> claim ->> 'fingerprint' THEN jsonb_build_object('verdict', 'key_reused')
        WHEN earlier.status IS NOT NULL THEN
          jsonb_build_object('verdict', 'replay', 'status', earlier.status, 'response', earlier.response)
        ELSE
          jsonb_build_object('verdict', 'in_progress', 'sandbox', earlier.sandbox, 'instance', earlier.instance,
                             'alive', instance_alive(earlier.instance))
      END;
    END IF;
  END IF;

  SELECT * INTO quota FROM quota_grant WHERE tenant = wanted.tenant FOR UPDATE;
  IF quota.tenant IS NULL OR quota.used >= quota.granted THEN
    verdict := 'concurrency_limit';
  ELSIF external_room(wanted.tenant, wanted.external_user_id, (request ->> 'external_max')::integer) < 1 THEN
    verdict := 'external_limit';
  ELSIF wanted.name IS NOT NULL AND EXISTS (
    SELECT FROM sandbox WHERE tenant = wanted.tenant AND name = wanted.name AND state NOT IN ('destroyed', 'error')
  ) THEN
    verdict := 'name_taken';
  ELSIF NOT host_has_room(wanted.host, wanted.tenant, wanted.memory_mib, wanted.disk_mib) THEN
    verdict := 'host_full';
  ELSE
    wanted.state := 'creating';
    wanted.revision := 1;
    wanted.created_at := clock_timestamp();
    wanted.changed_at := wanted.created_at;
    INSERT INTO sandbox SELECT wanted.*;
    RETURN jsonb_build_object('verdict', 'created');
  END IF;

  IF claim IS NOT NULL THEN
    DELETE FROM idempotency WHERE tenant = wanted.tenant AND route = claim ->> 'route' AND key = claim ->> 'key';
  END IF;
  RETURN jsonb_build_object('verdict', verdict, 'granted', coalesce(quota.granted, 0), 'used', coalesce(quota.used, 0));
END $$;
--> statement-breakpoint

DROP FUNCTION resume_sandbox(text, text[], integer);
--> statement-breakpoint

-- A paused sandbox takes a slot again, or is refused as a create would be.
CREATE FUNCTION resume_sandbox(wanted text, sources text[], by_instance integer, key_max integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  row_now sandbox;
  quota quota_grant;
  refusal text;
BEGIN
  SELECT * INTO row_now FROM sandbox WHERE id = wanted AND state = ANY (sources) FOR UPDATE;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('verdict', 'elsewhere');
  END IF;
  SELECT * INTO quota FROM quota_grant WHERE tenant = row_now.tenant FOR UPDATE;
  IF quota.tenant IS NULL OR quota.used >= quota.granted THEN
    refusal := 'concurrency_limit';
  ELSIF external_room(row_now.tenant, row_now.external_user_id, key_max) < 1 THEN
    refusal := 'external_limit';
  END IF;
  IF refusal IS NOT NULL THEN
    RETURN jsonb_build_object('verdict', refusal, 'granted', coalesce(quota.granted, 0), 'used', coalesce(quota.used, 0));
  END IF;
  UPDATE sandbox SET state = 'provisioning', revision = revision + 1, changed_at = clock_timestamp(), instance = by_instance
  WHERE id = wanted;
  RETURN jsonb_build_object('verdict', 'resumed');
END $$;
--> statement-breakpoint

-- A host refused before it did anything: the reservation moves to another one, or stays when that one is full.
CREATE OR REPLACE FUNCTION rehost_sandbox(wanted text, to_host text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  row_now sandbox;
BEGIN
  SELECT * INTO row_now FROM sandbox WHERE id = wanted AND state = 'creating' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM FROM host WHERE id IN (row_now.host, to_host) ORDER BY id FOR UPDATE;
  IF NOT host_has_room(to_host, row_now.tenant, row_now.memory_mib, row_now.disk_mib) THEN
    RETURN false;
  END IF;
  UPDATE sandbox SET host = to_host, revision = revision + 1, changed_at = clock_timestamp() WHERE id = wanted;
  RETURN true;
END $$;
