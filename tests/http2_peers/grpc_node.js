// SPDX-License-Identifier: GPL-2.0-only
//
// Calls by @grpc/grpc-js (npm; NODE_PATH says where). `server PORT`; `client PORT` prints what it called.
const grpc = require('@grpc/grpc-js')
const [, , role, port] = process.argv
const same = (bytes) => bytes
const method = (name, requestStream, responseStream) => ({
  path: `/shop.Orders/${name}`, requestStream, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
})
const definition = {
  Get: method('Get', false, false), Put: method('Put', true, false),
  List: method('List', false, true), Talk: method('Talk', true, true),
}

function serve() {
  const server = new grpc.Server()
  server.addService(definition, {
    Get: (call, answer) => call.request.toString() === 'missing'
      ? answer({ code: grpc.status.NOT_FOUND, details: 'no order of that number, 100 % sure' })
      : answer(null, call.request),
    Put: (call, answer) => { call.resume(); call.on('end', () => answer(null, Buffer.from('ok'))) },
    List: (call) => { for (let i = 0; i < 5; i++) call.write(call.request); call.end() },
    Talk: (call) => { call.on('data', (bytes) => { call.write(bytes); call.write(bytes) }); call.on('end', () => call.end()) },
  })
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), () => server.start && server.start())
}

const said = (name, status, asked, answered) => console.log(`${name} shop.Orders 200 ${status} ${asked} ${answered}`)
const once = (run) => new Promise((done) => run(done))

async function call() {
  const Client = grpc.makeGenericClientConstructor(definition, 'Orders')
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  for (let n = 0; n < 10; n++) {
    await once((done) => client.Get(Buffer.from(n % 4 === 3 ? 'missing' : 'order'), (error) => {
      said('Get', error ? error.code : 0, 1, error ? 0 : 1)
      done()
    }))
    await once((done) => {
      const stream = client.Put((error) => { said('Put', error ? error.code : 0, n, 1); done() })
      for (let i = 0; i < n; i++) stream.write(Buffer.alloc(40 * i))
      stream.end()
    })
    await once((done) => {
      const stream = client.List(Buffer.from('x'))
      stream.resume()
      stream.on('status', (status) => { said('List', status.code, 1, 5); done() })
    })
    await once((done) => {
      const stream = client.Talk()
      stream.resume()
      stream.on('status', (status) => { said('Talk', status.code, 3, 6); done() })
      for (let i = 0; i < 3; i++) stream.write(Buffer.from('t'))
      stream.end()
    })
  }
  client.close()
}

role === 'server' ? serve() : call()
