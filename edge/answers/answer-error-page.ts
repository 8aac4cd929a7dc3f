/** The page that says what every error means. It asks no region, because it is read when regions are down. */
import { ERROR_PAGE_HEADERS, errorPage } from '../../shared/error-page.ts'

let page: string | undefined

export function answerErrorPage(requestId: string): Response {
  page ??= errorPage()
  return new Response(page, { headers: { ...ERROR_PAGE_HEADERS, 'x-request-id': requestId } })
}
