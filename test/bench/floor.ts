/**
 * The floor of `run`: what the host alone takes. The same command through the daemon's own socket on a machine that is
 * already claimed, plus the one `cont` that waking a stopped machine needs; no controller, no database, no edge.
 */
import { randomBytes } from 'node:crypto'
import { Client } from 'undici'
import type { HostCapacity, HostExec, VmSpec } from '../../shared/contracts/host.ts'
import { newId } from '../../shared/ids.ts'
import { LIMITS } from '../../shared/limits.ts'
import { SIZES } from '../../shared/machines.ts'
import { type Quantiles, quantilesOf } from './quantiles.ts'

export const COMMAND = 'echo $((1+1))'

export type Floor = { accel: string; cont: Quantiles; exec: Quantiles; sum: Quantiles }

export async function measureFloor(socketPath: string, samples: number): Promise<Floor> {
  const host = new Client('http://host', { socketPath })
  const call = async (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<{ text: string; ms: number }> => {
    const began = performance.now()
    const answer = await host.request({
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
    return { text, ms: performance.now() - began }
  }
  const id = newId('sbx', 'usw1', Date.now(), randomBytes(16))
  try {
    await call('POST', '/v1/vms', { vm: specOf(id) })
    const conts: number[] = []
    const execs: number[] = []
    for (let i = 0; i < samples; i++) {
      await call('POST', `/v1/vms/${id}/pause`)
      conts.push((await call('POST', `/v1/vms/${id}/resume`, NO_DEADLINES)).ms)
      execs.push((await call('POST', `/v1/vms/${id}/exec`, EXEC)).ms)
    }
    const { accel } = JSON.parse((await call('GET', '/v1/capacity')).text) as HostCapacity
    const sum = quantilesOf(conts.map((ms, i) => ms + (execs[i] as number)))
    return { accel, cont: quantilesOf(conts), exec: quantilesOf(execs), sum }
  } finally {
    await call('DELETE', `/v1/vms/${id}`)
    await host.close()
  }
}

const NO_DEADLINES = { expires_at_ms: null, on_expiry: 'destroy', idle_timeout_sec: 0 } as const

const EXEC: HostExec = {
  argv: ['/bin/bash', '-c', COMMAND],
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: 10_000,
  output_bytes_max: LIMITS.execOutputBytesMax,
}

const specOf = (id: string): VmSpec => ({
  id,
  template: 'default',
  machine: SIZES.xs,
  hostname: 'floor',
  env: {},
  ...NO_DEADLINES,
})
