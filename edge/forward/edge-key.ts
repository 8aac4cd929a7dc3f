/**
 * The idempotency key that the edge gives a create that has none, so that an unknown outcome can be asked about safely.
 * It names the region, because only that region knows what became of it.
 */
const EDGE_KEY = /^edge-([a-z][a-z0-9]{1,5})-[0-9a-f-]{36}$/

export const newEdgeKey = (regionCode: string, uuid: string): string => `edge-${regionCode}-${uuid}`

/** The region a key of the edge's making names; null for a client's own. */
export const regionOfEdgeKey = (key: string | null): string | null => EDGE_KEY.exec(key ?? '')?.[1] ?? null
