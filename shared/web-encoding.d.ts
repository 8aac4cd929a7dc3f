/** The two classes of the Encoding standard that every platform of ours has; `shared` sees no platform's own types. */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>
}
declare class TextDecoder {
  decode(bytes: Uint8Array): string
}
