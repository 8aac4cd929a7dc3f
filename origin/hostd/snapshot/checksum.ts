/** CRC-32 finds what a disk or a stray writer spoils; it is no defence against someone who means to deceive. */
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { LIMITS } from '../../../shared/limits.ts'

export async function checksumOf(path: string): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(LIMITS.checksumChunkBytes)
  await using file = await open(path, 'r')
  let sum = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length)
    if (bytesRead === 0) return sum
    sum = crc32(buffer.subarray(0, bytesRead), sum)
  }
}
