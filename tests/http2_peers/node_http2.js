// SPDX-License-Identifier: GPL-2.0-only
//
// Node's HTTP/2: interim answers, trailers, pushes, resets, many streams at once. `server PORT`; `client PORT`
// prints what it asked for, as tests/record_http2.py wants it.
const http2 = require('http2')
const [, , role, port] = process.argv

function serve() {
  const server = http2.createServer()
  server.on('stream', (stream, headers) => {
    const path = headers[':path']
    stream.on('error', () => {})
    if (path === '/hints')
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' })
    if (path === '/push') {
      stream.pushStream({ ':path': '/pushed' }, (error, push) => {
        push.respond({ ':status': 200 })
        push.end('pushed')
      })
    }
    if (path === '/reset')
      return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
    if (path === '/trailers') {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
      return stream.end('with trailers')
    }
    if (path === '/slow')
      return stream.respond({ ':status': 200 })
    stream.resume()
    stream.on('end', () => {
      stream.respond({ ':status': path.startsWith('/missing') ? 404 : 200, 'content-type': 'text/plain' })
      stream.end('x'.repeat(Number(headers['x-size'] || 10)))
    })
  })
  server.listen(port, '127.0.0.1')
}

function ask(session, method, path, body, extra = {}) {
  return new Promise((done) => {
    const stream = session.request({ ':method': method, ':path': path, ...extra })
    let status = '-'
    stream.on('response', (headers) => { status = headers[':status'] })
    stream.on('error', () => {})
    stream.on('close', () => {
      console.log(`${method} ${path.split('?')[0]} ${status} - 0 0`)
      done()
    })
    stream.resume()
    stream.end(body)
  })
}

async function call() {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  session.on('stream', (stream) => stream.resume())
  for (const path of ['/', '/hints', '/trailers', '/push', '/reset', '/missing?token=secret'])
    await ask(session, 'GET', path, undefined, { authorization: 'Bearer secret', cookie: 'session=secret' })
  await Promise.all([...Array(20).keys()].map((n) => ask(session, 'POST', `/parallel/${n}`, 'y'.repeat(n * 10), { 'x-size': n * 20 })))
  await ask(session, 'PUT', '/long-headers', 'body', { 'x-long': 'h'.repeat(Number(process.env.LONG || 17000)) })
  const slow = session.request({ ':path': '/slow' })
  await new Promise((done) => slow.on('response', done))
  slow.on('error', () => {})
  await new Promise((done) => { slow.on('close', done); slow.close(http2.constants.NGHTTP2_CANCEL) })
  console.log('GET /slow 200 - 0 0')
  await ask(session, 'GET', '/last')
  session.close()
}

role === 'server' ? serve() : call()
