-- What must be decided and written in one transaction lives here, so that it costs one round trip and holds for every writer.
-- Locks are always taken in this order: idempotency claim, sandbox row, quota row, host rows by id. That is why nothing here can deadlock.

-- The states that hold a slot of the tenant's concurrency: COUNTED in shared/lifecycle.ts (a test compares the two).
CREATE FUNCTION is_counted(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT state IN ('creating', 'provisioning', 'running', 'snapshotting')
$$;
--> statement-breakpoint

-- A controller holds the advisory lock of its number for as long as it lives; a killed one loses it with its connection.
CREATE FUNCTION instance_alive(number integer) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid = 20308 AND objid = number AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  )
$$;
--> statement-breakpoint

-- The word on a key at this moment; caches elsewhere are never the boundary for what changes something.
CREATE FUNCTION standing_of_key(wanted text, owner text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT CASE WHEN status = 'active' AND (expires_at IS NULL OR expires_at > clock_timestamp()) THEN 'active' ELSE 'key_revoked' END
     FROM api_key WHERE id = wanted AND tenant = owner),
    'key_unknown')
$$;
--> statement-breakpoint

-- Locks the host's row and says whether a machine of this size may be promised there. CPUs are shared by the scheduler, so they are no bound.
CREATE FUNCTION host_has_room(wanted text, need_memory_mib bigint, need_disk_mib bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  found_host host;
BEGIN
  SELECT * INTO found_host FROM host WHERE id = wanted FOR UPDATE;
  RETURN FOUND AND found_host.accepting AND NOT found_host.draining
    AND found_host.reserved_vms < found_host.offered_vms
    AND found_host.reserved_memory_mib + need_memory_mib <= found_host.offered_memory_mib
    AND found_host.reserved_disk_mib + need_disk_mib <= found_host.offered_disk_mib;
END $$;
--> statement-breakpoint

-- What follows from a sandbox's row, whoever writes it: the tenant's slot, the host's room, and the event.
CREATE FUNCTION sandbox_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  slots integer := is_counted(NEW.state)::integer;
  held boolean := NEW.released_at IS NULL;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    slots := slots - is_counted(OLD.state)::integer;
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

  IF TG_OP = 'INSERT' OR NEW.state <> OLD.state THEN
    INSERT INTO event (sandbox, tenant, type, data, ts) VALUES (
      NEW.id, NEW.tenant,
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

CREATE TRIGGER sandbox_follow AFTER INSERT OR UPDATE OF state, host, released_at ON sandbox
  FOR EACH ROW EXECUTE FUNCTION sandbox_follow();
--> statement-breakpoint

-- Everything a create must win before it may touch a host, or a word that says why not.
-- A refusal leaves nothing behind, not even the claim on its idempotency key.
CREATE FUNCTION admit_sandbox(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
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
  ELSIF wanted.name IS NOT NULL AND EXISTS (
    SELECT FROM sandbox WHERE tenant = wanted.tenant AND name = wanted.name AND state NOT IN ('destroyed', 'error')
  ) THEN
    verdict := 'name_taken';
  ELSIF NOT host_has_room(wanted.host, wanted.memory_mib, wanted.disk_mib) THEN
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

-- A paused sandbox takes a slot again, or is refused as a create would be.
CREATE FUNCTION resume_sandbox(wanted text, sources text[], by_instance integer) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  row_now sandbox;
  quota quota_grant;
BEGIN
  SELECT * INTO row_now FROM sandbox WHERE id = wanted AND state = ANY (sources) FOR UPDATE;
  IF NOT FOUND THEN
    RETURN jsonb_build_object('verdict', 'elsewhere');
  END IF;
  SELECT * INTO quota FROM quota_grant WHERE tenant = row_now.tenant FOR UPDATE;
  IF quota.tenant IS NULL OR quota.used >= quota.granted THEN
    RETURN jsonb_build_object('verdict', 'concurrency_limit', 'granted', coalesce(quota.granted, 0), 'used', coalesce(quota.used, 0));
  END IF;
  UPDATE sandbox SET state = 'provisioning', revision = revision + 1, changed_at = clock_timestamp(), instance = by_instance
  WHERE id = wanted;
  RETURN jsonb_build_object('verdict', 'resumed');
END $$;
--> statement-breakpoint

-- A host refused before it did anything: the reservation moves to another one, or stays when that one is full.
CREATE FUNCTION rehost_sandbox(wanted text, to_host text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  row_now sandbox;
BEGIN
  SELECT * INTO row_now FROM sandbox WHERE id = wanted AND state = 'creating' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM FROM host WHERE id IN (row_now.host, to_host) ORDER BY id FOR UPDATE;
  IF NOT host_has_room(to_host, row_now.memory_mib, row_now.disk_mib) THEN
    RETURN false;
  END IF;
  UPDATE sandbox SET host = to_host, revision = revision + 1, changed_at = clock_timestamp() WHERE id = wanted;
  RETURN true;
END $$;
