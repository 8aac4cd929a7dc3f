/** Files in the form of Podflare: parse, call, translate. */
import { PODFLARE_FILE_ROUTES } from '../../../../shared/contracts/podflare-files.ts'
import type { Principal } from '../../accounts/principal.ts'
import { diffFiles } from '../../files/diff-files.ts'
import { writeFile } from '../../files/write-file.ts'
import { header } from '../../http/arrival.ts'
import { read } from '../../http/file-routes.ts'
import { json, type Serve } from '../../http/serve-route.ts'

export function servePodflareFiles(serve: Serve<Principal>): void {
  serve(PODFLARE_FILE_ROUTES.upload, async (call) => {
    await writeFile(call, { ...call.query, content: call.upload, length: header(call.arrival, 'content-length') })
    return { text: null }
  })
  serve(PODFLARE_FILE_ROUTES.download, (call) => read(call, call.query.path))
  serve(PODFLARE_FILE_ROUTES.diff, async (call) => json(await diffFiles(call, call.body.other, call.body.paths)))
}
