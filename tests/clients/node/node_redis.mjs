// SPDX-License-Identifier: BSD-3-Clause
//
// All kinds of replies through the package redis, in both protocols. See ../README.md.
//
// usage: node node_redis.mjs PORT [gears]
import { setImmediate as turn } from 'node:timers/promises'
import { createClient, RESP_TYPES } from 'redis'
import { attempt, each, port, requests, show, withGears } from './common.mjs'

async function open (RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP, unstableResp3: true })
  client.on('error', error => show('error', error))
  await client.connect()
  return client
}

async function highLevel (r) {
  show('values', await each([
    () => r.set('k', 'v', { NX: true }), () => r.get('k'), () => r.mGet(['k', 'nothing']),
    () => r.hSet('h', { a: 1, b: '2' }), () => r.hGetAll('h'), () => r.lPush('k', 'x'),
    () => r.sAdd('s', ['a', 'b']), () => r.sMembers('s').then(list => list.sort()),
    () => r.zAdd('z', [{ score: 1.5, value: 'a' }, { score: Infinity, value: 'b' }]),
    () => r.zRangeWithScores('z', 0, -1), () => r.zScore('z', 'b'), () => r.zScore('z', 'x'),
    () => r.xAdd('x', '1-1', { a: '1' }), () => r.xRange('x', '-', '+'),
    () => r.xRead({ key: 'x', id: '0' }), () => r.configGet('maxmemory-policy'),
    () => r.geoAdd('g', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }),
    () => r.geoPos('g', ['Palermo', 'x']), () => r.lmPop('nothing', 'LEFT'),
    () => r.clientId().then(id => typeof id), () => r.xInfoStream('x').then(info => info.length)
  ]))
  const bytes = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
  const every = Buffer.from([...Array(256).keys()])
  await r.set('bin', every)
  show('binary', await bytes.get('bin'))
}

async function scans (r) {
  await Promise.all([...Array(1000).keys()].map(i => r.set(`scan:${i}`, i)))
  const seen = new Set()
  for await (const keys of r.scanIterator({ MATCH: 'scan:*', COUNT: 100 })) [keys].flat().forEach(k => seen.add(k))
  show('scan', seen.size)
}

async function pipelines (r) {
  const sent = [...Array(20000).keys()].map(i => r.incrBy('counter', i))
  const values = await Promise.all(sent)
  show('pipeline', [values.length, values.at(-1)])
  show('multi', await attempt(r.multi().set('k', 'v').get('k').get('nothing').incr('i').exec()))
  show('multi with an error', await attempt(r.multi().set('k', 'v').lPush('k', 'x').exec()))
  await r.watch('k')
  await r.set('k', 'other')
  show('watch', await attempt(r.multi().get('k').exec()))
}

async function pubsub (r, RESP) {
  const subscriber = await open(RESP)
  const seen = []
  await new Promise((resolve, reject) => {
    const note = kind => (message, channel) => {
      seen.push([kind, channel, message])
      if (seen.length === 3) resolve()
    }
    Promise.all([subscriber.subscribe('ch', note('channel')), subscriber.pSubscribe('c*', note('pattern')),
      subscriber.sSubscribe('shard', note('shard'))])
      .then(async () => {
        await r.publish('ch', 'a\0b')
        await r.sPublish('shard', 's')
      }).catch(reject)
  })
  show('pubsub', seen)
  // RESP3 lets a subscriber go on.
  if (RESP === 3) show('while subscribed', await subscriber.get('k'))
  await subscriber.unsubscribe('ch')
  await subscriber.pUnsubscribe('c*')
  subscriber.destroy()
}

async function blocked (r, RESP) {
  const waiter = await open(RESP)
  const waiting = waiter.blMove('late', 'later', 'LEFT', 'RIGHT', 20)
  while (!/blocked_clients:1\r/.test(await r.info('clients'))) ;
  await r.rPush('late', 'x')
  show('blocked', await waiting)
  waiter.destroy()
}

// Invalidations come as pushes of RESP3.
async function tracked (r) {
  const reader = createClient({
    url: `redis://127.0.0.1:${port}`, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 }
  })
  await reader.connect()
  await r.set('cached', 'old')
  const values = [await reader.get('cached'), await reader.get('cached')]
  await r.set('cached', 'new')
  // A value from the cache is there at once: without a turn of the loop nothing would be read.
  while ((values[2] = await reader.get('cached')) === 'old') await turn()
  show('tracked', values)
  reader.destroy()
}

for (const RESP of [2, 3]) {
  const r = await open(RESP)
  await r.flushAll()
  for (const request of requests) show(request, await attempt(r.sendCommand(request.split(' '))))
  await r.flushAll()
  await highLevel(r)
  await scans(r)
  await pipelines(r)
  await pubsub(r, RESP)
  await blocked(r, RESP)
  if (RESP === 3) await tracked(r)
  if (withGears) {
    await r.mSet({ 'gear:a': '1', 'gear:b': '2' })
    show('gears', await each([
      () => r.sendCommand(['RG.PYEXECUTE', "GB().count().run('gear:*')"]),
      () => r.sendCommand(['RG.PYEXECUTE', '1 +'])]))
  }
  r.destroy()
}
console.log('done')
