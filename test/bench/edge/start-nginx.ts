/** The yardstick of a reverse proxy: nginx, with nothing to do but pass requests on over connections that it keeps. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../harness/free-ports.ts'

export type Nginx = { url: string; stop(): Promise<void> }

const START_MS = 5_000
const POLL_MS = 20

/** Null where nginx is not installed. */
export async function startNginx(origin: string): Promise<Nginx | null> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return null
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'atoll-nginx-'))
  await writeFile(join(folder, 'nginx.conf'), configOf(port, new URL(origin).host))
  const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'error.log'], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await untilListening(port)
    return { url: `http://127.0.0.1:${port}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** One worker, as workerd serves an isolate with one thread. It runs as whoever runs the bench. */
const configOf = (port: number, upstream: string): string => `
daemon off; worker_processes 1; pid nginx.pid;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  keepalive_requests 1000000;
  upstream region { server ${upstream}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://region; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

async function untilListening(port: number): Promise<void> {
  const untilMs = Date.now() + START_MS
  while (!(await isListening(port))) {
    if (Date.now() > untilMs) throw new Error('nginx did not start to listen.')
    await sleep(POLL_MS)
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
