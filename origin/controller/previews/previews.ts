/** What a controller holds about previews: where they are, how shares are signed, and whose word on visitors it takes. */
import type { JSONWebKeySet } from 'jose'
import type { UrlInfo } from '../../../shared/contracts/sandbox-records.ts'
import { previewLabel } from '../../../shared/preview-address.ts'
import { type Crowd, createCrowd } from './crowd.ts'
import { createPassReader, type PassReader } from './read-pass.ts'

export type Previews = {
  /** What all their hosts end with. */
  domain: string
  /** Where visitors find a port of a sandbox. */
  urlOf(sandbox: string, port: number): string
  shareSecret: Uint8Array
  /** Undefined without an edge, and then nobody can visit. */
  readPass: PassReader | undefined
  crowd: Crowd
}

/** What clients are told of an address. */
export const urlInfoOf = (url: string): UrlInfo => ({
  url,
  class: 'temporary_preview',
  url_class: 'temporary_preview',
  stable_for_embedding: false,
  recommended_next_action: null,
})

type Setting = { previewUrl: string; edgeKeys: JSONWebKeySet | undefined; region: { code: string } }

export const createPreviews = (setting: Setting, shareSecret: Uint8Array, clock: () => number): Previews => ({
  domain: new URL(setting.previewUrl).host,
  urlOf: (sandbox, port) => {
    const { protocol, host } = new URL(setting.previewUrl)
    return `${protocol}//${previewLabel(port, sandbox)}.${host}`
  },
  shareSecret,
  readPass: setting.edgeKeys === undefined ? undefined : createPassReader(setting.edgeKeys, setting.region.code, clock),
  crowd: createCrowd(),
})
