// SPDX-License-Identifier: BSD-3-Clause
//
// All kinds of replies through ioredis. See ../README.md.
//
// usage: node ioredis.mjs PORT [gears]
import Redis from 'ioredis'
import { attempt, each, port, requests, show, withGears } from './common.mjs'

const r = new Redis({ port, host: '127.0.0.1' })

async function highLevel () {
  show('values', await each([
    () => r.set('k', 'v', 'EX', 100), () => r.get('k'), () => r.mget('k', 'nothing'),
    () => r.hset('h', { a: 1, b: '2' }), () => r.hgetall('h'), () => r.lpush('k', 'x'),
    () => r.zadd('z', 1.5, 'a', 'inf', 'b'), () => r.zrange('z', 0, -1, 'WITHSCORES'),
    () => r.xadd('x', '1-1', 'a', '1'), () => r.xread('STREAMS', 'x', '0'),
    () => r.client('LIST').then(text => text.split('\n').length)
  ]))
  const every = Buffer.from([...Array(256).keys()])
  await r.set('bin', every)
  show('binary', await r.getBuffer('bin'))
  const big = Buffer.alloc(3 << 20, 7)
  await r.set('big', big)
  show('big', big.equals(await r.getBuffer('big')))
}

async function scans () {
  const fill = r.pipeline()
  for (let i = 0; i < 1000; i++) fill.set(`scan:${i}`, i)
  await fill.exec()
  const seen = new Set()
  for await (const keys of r.scanStream({ match: 'scan:*', count: 100 })) keys.forEach(k => seen.add(k))
  show('scan', seen.size)
}

async function pipelines () {
  const p = r.pipeline()
  for (let i = 0; i < 20000; i++) p.incrby('counter', i)
  const values = await p.exec()
  show('pipeline', [values.length, values.at(-1)])
  show('multi', await r.multi().set('k', 'v').get('k').lpush('k', 'x').incr('i').exec())
  await r.watch('k')
  await r.set('k', 'other')
  show('watch', await r.multi().get('k').exec())
}

async function pubsub () {
  const subscriber = r.duplicate()
  const seen = []
  await subscriber.subscribe('ch')
  await subscriber.psubscribe('c*')
  await new Promise(resolve => {
    const note = (...words) => seen.push(words) === 2 && resolve()
    subscriber.on('message', note)
    subscriber.on('pmessage', note)
    r.publish('ch', 'a\0b')
  })
  show('pubsub', seen)
  show('while subscribed', await attempt(subscriber.get('k')))
  subscriber.disconnect()
}

async function blocked () {
  const waiter = r.duplicate()
  const waiting = waiter.blmove('late', 'later', 'LEFT', 'RIGHT', 20)
  while (!/blocked_clients:1\r/.test(await r.info('clients'))) ;
  await r.rpush('late', 'x')
  show('blocked', await waiting)
  waiter.disconnect()
}

await r.flushall()
for (const request of requests) show(request, await attempt(r.call(...request.split(' '))))
await r.flushall()
for (const part of [highLevel, scans, pipelines, pubsub, blocked]) await part()
if (withGears) {
  await r.mset({ 'gear:a': '1', 'gear:b': '2' })
  show('gears', await each([
    () => r.call('RG.PYEXECUTE', "GB().count().run('gear:*')"), () => r.call('RG.PYEXECUTE', '1 +')]))
}
r.disconnect()
console.log('done')
