/** What a sandbox can and cannot reach through its proxy, on loopback, with names and servers of the test's own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { refusalOf } from '../../../../origin/hostd/egress/tunnel.ts'
import { CLOSED, nextText, World } from './world.ts'

const LIMIT = { timeout: 120_000 }
const PLACEHOLDER = 'atoll_secret_0123456789abcdef'
const SECRET = 'sk-live-42'

let world: World
beforeEach(async () => {
  world = await World.open()
})
afterEach(async () => {
  await world.close()
  assert.deepEqual(world.failures, [])
})

const until = async (isSo: () => boolean): Promise<void> => {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 6_000, 'it never came so')
    await sleep(10)
  }
}
const lastEntry = async (count = 1) => {
  await until(() => world.log.length >= count)
  const entry = world.log.at(-1)
  assert.ok(entry)
  return entry
}

test(
  'plain HTTP to an allowed host goes through, with its method, headers and body, and is logged',
  LIMIT,
  async () => {
    const port = await world.serve(async (incoming, outgoing) => {
      const said = await text(incoming)
      outgoing.writeHead(201, {
        'x-seen': `${incoming.method} ${incoming.url} ${incoming.headers.host} ${incoming.headers['x-own']}`,
      })
      outgoing.end(`heard ${said}`)
    })
    world.allow('api.test', [port])
    const over = { method: 'POST', body: 'hello' }
    const answer = await world.get(`http://API.test:${port}/a?q=1`, { 'x-own': 'yes', 'proxy-connection': 'x' }, over)
    assert.deepEqual([answer.status, answer.body], [201, 'heard hello'])
    assert.equal(answer.headers['x-seen'], `POST /a?q=1 api.test:${port} yes`)
    const { at_ms, ...entry } = await lastEntry()
    assert.ok(Math.abs(at_ms - Date.now()) < 60_000)
    assert.deepEqual(entry, {
      ...{ host: 'api.test', port, method: 'POST', path: '/a' },
      ...{ action: 'allowed', reason: 'rule', rule: 'allow api.test', bytes_up: 5, bytes_down: 11 },
    })
    assert.deepEqual(world.bytes, { up: 5, down: 11 })
  },
)

test(
  'what no rule allows is refused in words, by either way of asking, and nobody is connected to',
  LIMIT,
  async () => {
    let connections = 0
    const port = await world.listen(createServer(() => (connections += 1)))
    world.allow('other.test', [port])
    const plain = await world.get(`http://api.test:${port}/`)
    assert.deepEqual([plain.status, plain.headers['atoll-egress']], [403, 'default'])
    assert.match(plain.body, /does not allow it/)
    assert.equal((await world.connect(`api.test:${port}`)).status, 403)
    world.policy = null
    const closed = await world.get(`http://api.test:${port}/`)
    assert.deepEqual([closed.status, closed.headers['atoll-egress']], [403, 'default'])
    assert.match(closed.body, /no way out.*can open one/)
    assert.match(
      (await world.connect(`api.test:${port}`)).body,
      /^HTTP\/1.1 403 This sandbox has no way out[\s\S]*no way out/,
    )
    const upgrade = { connection: 'upgrade', upgrade: 'websocket' }
    assert.match((await world.get(`http://api.test:${port}/`, upgrade)).body, /no way out/)
    assert.equal(connections, 0)
    await until(() => world.log.length === 5)
    assert.deepEqual(
      world.log.map(({ host, action, reason }) => `${host} ${action} ${reason}`),
      Array(5).fill('api.test denied default'),
    )
  },
)

test(
  'a name that leads to an address of ours is refused, in whatever form, also one among good ones',
  LIMIT,
  async () => {
    world.allow('*', [80, 443], { allow_private: false })
    for (const addresses of [
      ['127.0.0.1'],
      ['10.0.0.1'],
      ['169.254.169.254'],
      ['100.64.0.1'],
      ['::1'],
      ['::ffff:127.0.0.1'],
      ['64:ff9b::7f00:1'],
      ['fe80::1'],
      ['93.184.216.34', '192.168.0.1'],
    ]) {
      world.names = () => addresses
      assert.equal((await world.get('http://api.test/')).headers['atoll-egress'], 'address', String(addresses))
      assert.match((await world.connect('api.test:443')).body, /atoll-egress: address/)
    }
    for (const host of ['127.0.0.1', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '0'])
      assert.equal((await world.get(`http://${host}/`)).status, 403, host)
  },
)

test(
  'what a policy may open is not more than what the host is configured for, and never a link-local address',
  LIMIT,
  async () => {
    world.allow('*', [80])
    world.names = () => ['169.254.169.254']
    assert.equal((await world.get('http://api.test/')).headers['atoll-egress'], 'address')
    const strict = await World.open('public')
    try {
      strict.allow('*', [80])
      assert.equal((await strict.get('http://api.test/')).headers['atoll-egress'], 'address')
    } finally {
      await strict.close()
    }
  },
)

test('a name is asked for once, and the address that was checked is the one that is connected to', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => outgoing.end('right'))
  let asked = 0
  world.names = () => (asked++ === 0 ? ['127.0.0.1'] : ['127.0.0.2'])
  world.allow('api.test', [port])
  assert.equal((await world.get(`http://api.test:${port}/`)).body, 'right')
  assert.equal(asked, 1)
})

test('a name that nobody knows and a host that does not answer are told apart from what is denied', LIMIT, async () => {
  const port = await world.listen(createServer())
  world.allow('*', [port, 1])
  world.names = () => []
  assert.deepEqual((await world.get(`http://api.test:${port}/`)).headers['atoll-egress'], 'unresolved')
  world.names = () => ['127.0.0.1']
  assert.equal((await world.connect('api.test:1')).status, 502)
  assert.equal((await world.get('http://api.test:1/')).headers['atoll-egress'], 'unreachable')
  await until(() => world.log.length === 3)
  assert.ok(world.log.every(({ action }) => action === 'error'))
})

test('mail is never sent, whatever rules say, and other ports only when a rule names them', LIMIT, async () => {
  world.policy = { ...CLOSED, default_effect: 'allow' }
  for (const port of [25, 465, 587, 2525, 22, 8080])
    assert.match((await world.connect(`api.test:${port}`)).body, /atoll-egress: port/, String(port))
})

test('TLS goes through untouched when it is for the name that was asked for', LIMIT, async () => {
  const port = await world.serveTls((incoming, outgoing) =>
    outgoing.end(`${incoming.headers.host} ${incoming.headers.key}`),
  )
  world.allow('api.test', [port])
  const answer = await world.getTls(`https://api.test:${port}/`, { key: PLACEHOLDER }, { ca: world.outer.pem })
  assert.equal(answer.body, `api.test:${port} ${PLACEHOLDER}`)
  const { bytes_up, bytes_down, ...entry } = await lastEntry()
  assert.deepEqual([entry.method, entry.action, entry.path], ['CONNECT', 'allowed', undefined])
  assert.ok(bytes_up > 200 && bytes_down > 500)
})

test('TLS for another name than that of the connection is cut before a byte of it goes out', LIMIT, async () => {
  let heard = 0
  const port = await world.listen(createServer((socket) => socket.on('data', (chunk) => (heard += chunk.length))))
  world.allow('api.test', [port])
  await assert.rejects(world.secure(`api.test:${port}`, 'evil.test', world.outer.pem))
  const entry = await lastEntry()
  assert.deepEqual([entry.action, entry.reason, heard], ['denied', 'name', 0])
})

test('on the port of https nothing but TLS is spoken', LIMIT, async () => {
  const target = { host: 'api.test', port: 443 }
  assert.equal(refusalOf({ kind: 'other', bytes: Buffer.from('SSH-2.0') }, target), 'request')
  assert.equal(refusalOf({ kind: 'other', bytes: Buffer.from('SSH-2.0') }, { ...target, port: 22 }), null)
  assert.equal(refusalOf({ kind: 'tls', bytes: Buffer.alloc(0), serverName: null }, target), 'name')
})

test('a server that speaks first is heard, and both ends are passed on', LIMIT, async () => {
  const port = await world.listen(
    createServer({ allowHalfOpen: true }, async (socket) => {
      socket.write('welcome')
      socket.end(`bye ${await text(socket)}`)
    }),
  )
  world.allow('db.test', [port])
  const { socket } = await world.connect(`db.test:${port}`)
  assert.equal(await nextText(socket), 'welcome')
  socket.end('me')
  assert.equal(await text(socket), 'bye me')
  assert.equal((await lastEntry()).action, 'allowed')
})

const withSecret = (port: number, hosts: string[]) =>
  world.allow('*', [port], { secrets: [{ placeholder: PLACEHOLDER, value: SECRET, hosts }] })

test(
  'a placeholder becomes the secret in headers and target of requests to the hosts that it is bound to',
  LIMIT,
  async () => {
    const port = await world.serveTls(async (incoming, outgoing) => {
      const { authorization, 'x-key': key } = incoming.headers
      outgoing.end(JSON.stringify([authorization, key, incoming.url, await text(incoming)]))
    })
    withSecret(port, ['api.test'])
    const basic = Buffer.from(`x-token:${PLACEHOLDER}`).toString('base64')
    const over = { method: 'POST', body: `body ${PLACEHOLDER}` }
    const one = await world.getTls(
      `https://api.test:${port}/p?key=${PLACEHOLDER}`,
      { authorization: `Basic ${basic}`, 'x-key': `k ${PLACEHOLDER}` },
      over,
    )
    assert.deepEqual(JSON.parse(one.body), [
      `Basic ${Buffer.from(`x-token:${SECRET}`).toString('base64')}`,
      `k ${SECRET}`,
      `/p?key=${SECRET}`,
      `body ${PLACEHOLDER}`,
    ])
    const entry = await lastEntry()
    assert.deepEqual([entry.path, entry.method, entry.action], ['/p', 'POST', 'allowed'])
    assert.ok(!JSON.stringify(world.log).includes(SECRET))
  },
)

test('a placeholder that is repeated until it is a flood of its secret is not sent on', LIMIT, async () => {
  const port = await world.serveTls((_, outgoing) => outgoing.end('heard'))
  const secret = { placeholder: PLACEHOLDER, value: 's'.repeat(8_000), hosts: ['api.test'] }
  world.allow('api.test', [port], { secrets: [secret] })
  const ask = (times: number) => world.getTls(`https://api.test:${port}/`, { 'x-key': PLACEHOLDER.repeat(times) })
  assert.equal((await ask(500)).status, 400)
  assert.equal((await lastEntry()).reason, 'request')
  assert.equal((await ask(1)).body, 'heard')
})

test('no secret goes to another host, nor in the clear', LIMIT, async () => {
  const secure = await world.serveTls((incoming, outgoing) => outgoing.end(`${incoming.headers.key}`))
  withSecret(secure, ['api.test'])
  const other = await world.getTls(`https://other.test:${secure}/`, { key: PLACEHOLDER }, { ca: world.outer.pem })
  assert.equal(other.body, PLACEHOLDER)
  const plain = await world.serve((incoming, outgoing) => outgoing.end(`${incoming.headers.key}`))
  withSecret(plain, ['api.test'])
  assert.equal((await world.get(`http://api.test:${plain}/`, { key: PLACEHOLDER })).body, PLACEHOLDER)
})

test('inside of a connection for one host, another Host header gets nothing', LIMIT, async () => {
  const port = await world.serveTls((_, outgoing) => outgoing.end('secret things'))
  withSecret(port, ['api.test'])
  const answer = await world.getTls(`https://api.test:${port}/`, { host: 'evil.test' })
  assert.deepEqual([answer.status, answer.headers['atoll-egress']], [403, 'name'])
})

test('a host whose certificate is not trusted gets no secret, also when its name is right', LIMIT, async () => {
  const port = await world.serveTls((_, outgoing) => outgoing.end('no'))
  withSecret(port, ['api.test'])
  const stranger = await World.open()
  try {
    stranger.policy = world.policy
    const answer = await stranger.getTls(`https://api.test:${port}/`)
    assert.deepEqual([answer.status, answer.headers['atoll-egress']], [502, 'unreachable'])
  } finally {
    await stranger.close()
  }
})

test('rules of methods and paths hold inside of TLS, however the path is written', LIMIT, async () => {
  const port = await world.serveTls((incoming, outgoing) => outgoing.end(incoming.url))
  const rule = { host: 'api.test', ports: [port] }
  world.policy = {
    ...CLOSED,
    rules: [
      { id: 'no admin', effect: 'deny', path_glob: '/v1/admin/**', ...rule },
      { id: 'read', effect: 'allow', methods: ['GET'], path_glob: '/v1/**', ...rule },
    ],
  }
  const ask = (method: string) => world.getTls(`https://api.test:${port}/v1/x`, {}, { method })
  assert.equal((await ask('GET')).body, '/v1/x')
  assert.equal((await ask('POST')).status, 403)
  for (const path of [
    '/v1/admin/a',
    '/v1/%61dmin/a',
    '/v1//admin/a',
    '/v1/x/../admin/a',
    '/v1/x/%2e%2e/admin/a',
    '/v2',
  ])
    assert.equal(await rawStatus(port, path), 403, path)
  assert.equal(await rawStatus(port, '/v1/a/%2e/b'), 200)
})

/** With a path that no URL class has tidied up. */
async function rawStatus(port: number, path: string): Promise<number> {
  const socket = await world.secure(`api.test:${port}`, 'api.test', world.inner.pem)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: api.test:${port}\r\nconnection: close\r\n\r\n`)
  return Number((await text(socket)).split(' ')[1])
}

test('audit only lets pass what rules deny, and says so', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => outgoing.end('here'))
  world.policy = { ...CLOSED, mode: 'audit_only' }
  assert.equal((await world.get(`http://api.test:${port}/`)).body, 'here')
  assert.deepEqual([(await lastEntry()).action, (await lastEntry()).reason], ['allowed', 'audit_only'])
  assert.match((await world.connect('api.test:25')).body, /atoll-egress: port/)
})

test('a policy that closes breaks off what it does not allow any more, and leaves the rest', LIMIT, async () => {
  const echo = await world.listen(createServer((socket) => socket.pipe(socket)))
  const rules = ['one.test', 'two.test'].map((host) => ({ id: host, host, effect: 'allow' as const, ports: [echo] }))
  world.policy = { ...CLOSED, rules }
  const one = (await world.connect(`one.test:${echo}`)).socket
  const two = (await world.connect(`two.test:${echo}`)).socket
  for (const socket of [one, two]) {
    socket.write('hello')
    assert.equal(await nextText(socket), 'hello')
  }
  world.change({ ...CLOSED, rules: rules.slice(1) })
  one.resume()
  if (!one.closed) await once(one, 'close')
  two.write('still here')
  assert.equal(await nextText(two), 'still here')
})

test('an answer that breaks off in the middle is never taken for the whole', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => {
    outgoing.writeHead(200, { 'content-length': '100' })
    outgoing.write('half')
    setTimeout(() => outgoing.destroy(), 50)
  })
  world.allow('api.test', [port])
  await assert.rejects(world.get(`http://api.test:${port}/`))
  assert.deepEqual([(await lastEntry()).action, (await lastEntry()).reason], ['error', 'broken'])
})

test('who leaves with the last byte, before the wire has said that it took it, had a whole answer', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => outgoing.end('all of it'))
  world.allow('api.test', [port])
  let heard = ''
  const process = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      heard += chunk
      if (heard.endsWith('all of it')) process.destroy()
      else done()
    },
  })
  world.proxy.serve(process, world.visitor)
  process.push(`GET http://api.test:${port}/ HTTP/1.1\r\nhost: api.test\r\n\r\n`)
  assert.deepEqual([(await lastEntry()).action, (await lastEntry()).reason], ['allowed', 'rule'])
})

test('who leaves in the middle had none', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => {
    outgoing.writeHead(200, { 'content-length': '100' })
    outgoing.write('half')
  })
  world.allow('api.test', [port])
  const socket = connect(world.doorPort, '127.0.0.1')
  socket.write(`GET http://api.test:${port}/ HTTP/1.1\r\nhost: api.test\r\n\r\n`)
  while (!(await nextText(socket)).endsWith('half'));
  socket.destroy()
  assert.deepEqual([(await lastEntry()).action, (await lastEntry()).reason], ['error', 'broken'])
})

test('8 MiB pass whole and in pieces, and a client that leaves frees the host that sends to it', LIMIT, async () => {
  const big = Buffer.alloc(8 * 1024 * 1024, 'atoll')
  let left = 0
  const port = await world.serve((incoming, outgoing) => {
    outgoing.once('close', () => (left += outgoing.writableFinished ? 0 : 1))
    if (incoming.url === '/big') return void outgoing.end(big)
    const more = (): void => void (outgoing.write(big) ? setImmediate(more) : outgoing.once('drain', more))
    more()
  })
  world.allow('api.test', [port])
  assert.equal((await world.get(`http://api.test:${port}/big`)).body.length, big.length)
  const socket = connect(world.doorPort, '127.0.0.1').on('error', () => undefined)
  socket.write(`GET http://api.test:${port}/endless HTTP/1.1\r\nhost: api.test\r\n\r\n`)
  await nextText(socket)
  await sleep(200)
  socket.destroy()
  await until(() => left === 1)
})

test('a head that is too large or no HTTP at all is answered and logged, and ends its connection', LIMIT, async () => {
  for (const [said, status] of [
    [`GET http://api.test/ HTTP/1.1\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    ['\x16\x03\x01 hello\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nhost: api.test\r\n\r\n', 400],
    ['GET http://u:p@api.test/ HTTP/1.1\r\nhost: api.test\r\n\r\n', 400],
    ['GET ftp://api.test/ HTTP/1.1\r\nhost: api.test\r\n\r\n', 400],
    ['CONNECT api.test HTTP/1.1\r\n\r\n', 400],
    [
      'POST http://api.test/ HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ] as const) {
    const socket: Socket = connect(world.doorPort, '127.0.0.1').on('error', () => undefined)
    socket.write(said)
    assert.equal(Number((await text(socket)).split(' ')[1]), status, said.slice(0, 40))
  }
  assert.ok(world.log.every(({ reason }) => reason === 'request'))
})

test('a WebSocket passes both ways, and what is answered instead of one is passed on, too', LIMIT, async () => {
  const server = createHttpServer(async (incoming, outgoing) =>
    outgoing.end(`${incoming.headers.upgrade} ${await text(incoming)}`),
  )
  server.on('upgrade', (incoming, socket) => {
    if (incoming.url === '/no') return void socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno')
    const head = `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nx-path: ${incoming.url}`
    socket.write(`${head}\r\n\r\nfirst`)
    socket.pipe(socket)
  })
  const port = await world.listen(server)
  world.allow('ws.test', [port])
  const ask = (path: string, more: string): Socket => {
    const socket = connect(world.doorPort, '127.0.0.1').on('error', () => undefined)
    socket.write(
      `POST http://ws.test:${port}${path} HTTP/1.1\r\nhost: ws.test\r\nconnection: upgrade, close\r\n${more}`,
    )
    return socket
  }
  const socket = ask('/s', 'upgrade: websocket\r\n\r\n')
  let heard = ''
  while (!heard.endsWith('first')) heard += await nextText(socket)
  assert.match(heard, /^HTTP\/1.1 101 [\s\S]*x-path: \/s\r\n/)
  socket.write('ping')
  assert.equal(await nextText(socket), 'ping')
  socket.destroy()
  assert.equal((await lastEntry()).action, 'allowed')
  assert.match(
    await text(ask('/no', 'upgrade: websocket\r\n\r\n')),
    /^HTTP\/1.1 401 Unauthorized\r\n[\s\S]*\r\n\r\nno$/,
  )
  assert.match(await text(ask('/', 'upgrade: h2c\r\ncontent-length: 2\r\n\r\nhi')), /200 OK[\s\S]*undefined hi/)
})

// A server would answer it with everything that it was sent.
test('nothing is traced', LIMIT, async () => {
  const port = await world.serve((_, outgoing) => outgoing.end())
  world.allow('api.test', [port])
  assert.equal(
    (await world.get(`http://api.test:${port}/`, {}, { method: 'TRACE' })).headers['atoll-egress'],
    'request',
  )
})

test(
  'what is asked in a row before it was answered is asked for one after the other, and answered in order',
  LIMIT,
  async () => {
    let [now, most] = [0, 0]
    const port = await world.serve(async (incoming, outgoing) => {
      most = Math.max(most, ++now)
      await sleep(5)
      now -= 1
      outgoing.end(`[${incoming.url}]`)
    })
    world.allow('api.test', [port])
    const ask = (count: number): Socket => {
      const socket = connect(world.doorPort, '127.0.0.1').on('error', () => undefined)
      const line = (at: number) => `GET http://api.test:${port}/${at} HTTP/1.1\r\nhost: api.test\r\n\r\n`
      socket.write(Array.from({ length: count }, (_, at) => line(at)).join(''))
      return socket
    }
    const socket = ask(10)
    let said = ''
    while (!said.includes('[/9]')) said += await nextText(socket)
    assert.deepEqual(
      said.match(/\[.*?\]/g),
      Array.from({ length: 10 }, (_, at) => `[/${at}]`),
    )
    assert.equal(most, 1)
    socket.destroy()
    const flood = ask(2_000).resume()
    await new Promise((resolve) => flood.once('close', resolve))
    await sleep(50)
    assert.equal(most, 1)
    assert.ok(world.log.length < 100, `${world.log.length} were asked for`)
  },
)

test('who leaves, or may not any more, while a name is looked up has nothing asked of the host', LIMIT, async () => {
  let requests = 0
  const port = await world.serve((_, outgoing) => {
    requests += 1
    outgoing.end()
  })
  const heads = [
    `GET http://api.test:${port}/ HTTP/1.1\r\nhost: api.test\r\n\r\n`,
    `POST http://api.test:${port}/ HTTP/1.1\r\nhost: api.test\r\ncontent-length: 5\r\n\r\n`,
    `GET http://api.test:${port}/ HTTP/1.1\r\nhost: api.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
  ]
  for (const head of heads)
    for (const happens of ['leaves', 'closed']) {
      world.allow('api.test', [port])
      const before = world.log.length
      const socket = connect(world.doorPort, '127.0.0.1').on('error', () => undefined)
      const gone = new Promise((resolve) => socket.once('close', resolve))
      const asked = new Promise<void>((resolve) => {
        world.names = async () => {
          resolve()
          if (happens === 'leaves') {
            // Who only shuts down its side may still want to hear the answer.
            socket.resetAndDestroy()
            await until(() => world.guests.size === 0)
          } else world.change(CLOSED)
          return ['127.0.0.1']
        }
      })
      socket.write(head)
      await asked
      await until(() => world.log.length > before)
      socket.destroy()
      await gone
      await until(() => world.guests.size === 0)
    }
  assert.equal(requests, 0)
})

test(
  'a head that never comes to its end ends its connection, however it trickles, at the door and inside of TLS',
  LIMIT,
  async () => {
    const hasty = await World.open('private', 1_500)
    try {
      const port = await hasty.serveTls((_, outgoing) => outgoing.end('heard'))
      hasty.allow('api.test', [port], { secrets: [{ placeholder: PLACEHOLDER, value: SECRET, hosts: ['api.test'] }] })
      const door = connect(hasty.doorPort, '127.0.0.1').on('error', () => undefined)
      const secured = await hasty.secure(`api.test:${port}`, 'api.test', hasty.inner.pem)
      for (const socket of [door, secured]) {
        const closed = new Promise((resolve) => socket.once('close', resolve))
        const trickle = setInterval(() => socket.write('x'), 20)
        socket.write('GET / HTTP/1.1\r\nx-long: ')
        await closed
        clearInterval(trickle)
      }
    } finally {
      await hasty.close()
    }
  },
)
