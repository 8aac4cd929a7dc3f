/** The most of some UTF-8 that fits, never cut in the middle of a character: a byte that continues one begins with the bits 10. */
export function cutAtCharacter(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.length <= bytesMax) return bytes
  const isInside = (at: number): boolean => ((bytes[at] ?? 0) & 0xc0) === 0x80
  const end = [bytesMax, bytesMax - 1, bytesMax - 2, bytesMax - 3].find((at) => !isInside(at))
  return bytes.subarray(0, end ?? bytesMax)
}
