ALTER TABLE "host" ADD COLUMN "away_from" timestamp (3) with time zone;--> statement-breakpoint

-- A machine that was lost is not paid for after its host was last heard of, also when it is found out only because the host is heard of
-- again. The time without word that is an absence stands in LIMITS.hostSilentMs, too (a test compares the two).
CREATE OR REPLACE FUNCTION metered_until(wanted_host text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT coalesce((
    SELECT coalesce(away_from, CASE WHEN last_seen < at - interval '6 seconds' THEN last_seen END) FROM host WHERE id = wanted_host
  ), at)
$$;
