/** A request's body on its way through the edge. */

export type Body =
  | { kind: 'none' }
  | { kind: 'kept'; bytes: Uint8Array<ArrayBuffer> }
  /** `cut` aborts, with an AppError, when what comes may not go on: whoever sends the stream must then cut the connection. */
  | { kind: 'stream'; stream: ReadableStream<Uint8Array>; waits: Waits; cut: AbortSignal }

/** What an answer is waited for beside the platform's own time: for so many bytes at most, or for as long as bytes move. */
export type Waits = { bytesMax: number } | { movedAtMs: () => number }
