/** A snapshot that is kept. Once removed it is no more, but its files stay until whoever reads them is done. */
import { rm } from 'node:fs/promises'
import type { LayerHold } from './layer-store.ts'
import type { Manifest } from './manifest.ts'

export class Snapshot {
  readonly manifest: Manifest
  readonly directory: string
  readonly #hold: LayerHold
  #users = 1

  /** `hold` keeps its layers and its base; it is this snapshot's from here on. */
  constructor(manifest: Manifest, directory: string, hold: LayerHold) {
    this.manifest = manifest
    this.directory = directory
    this.#hold = hold
  }

  /** Keeps its files, and those it is made of, until the answer is disposed of. */
  use(): AsyncDisposable {
    this.#users++
    return { [Symbol.asyncDispose]: () => this.#leave() }
  }

  /** The store's part, once, when the snapshot has been removed. */
  letGo(): Promise<void> {
    return this.#leave()
  }

  async #leave(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    this.#hold.release()
    await rm(this.directory, { recursive: true, force: true })
  }
}
