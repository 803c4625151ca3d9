// SPDX-License-Identifier: BSD-3-Clause
//
// What both of node's clients are shown with: values with their types, in an order of their own.

export const port = Number(process.argv[2])
export const withGears = process.argv.includes('gears')

const printable = /^[ -~]*$/

function plain (value) {
  if (value === undefined) return 'undefined'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'string' && !printable.test(value)) return 'hex ' + Buffer.from(value).toString('hex')
  if (Buffer.isBuffer(value)) return 'buffer ' + value.toString('hex')
  if (value instanceof Error) return `error ${value.message}`
  if (value instanceof Set) return { set: [...value].map(plain).sort() }
  if (value instanceof Map) return { map: [...value].map(([k, v]) => [plain(k), plain(v)]).sort() }
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
  }
  return value
}

export function show (name, value) {
  console.log(`${name}: ${JSON.stringify(plain(value))}`)
}

// What a promise comes to, be it an error.
export async function attempt (promise) {
  try {
    return await promise
  } catch (error) {
    return error
  }
}

// Awaits each in turn.
export async function each (calls) {
  const values = []
  for (const call of calls) values.push(await attempt(call()))
  return values
}

// Requests whose words are apart by blanks.
export const requests = [
  'PING', 'SET k v', 'GET k', 'GET nothing', 'INCR n', 'DECRBY n 10', 'INCRBYFLOAT f 1.25',
  'SET m 9223372036854775807', 'INCR m', 'LPUSH k 1', 'NOTHING a', 'GET', 'RPUSH l 1 2 3 4',
  'LRANGE l 0 -1', 'LPOP nothing 3', 'LPOP l 2', 'LMPOP 1 nothing LEFT', 'HSET h a 1 b 2',
  'HGETALL h', 'HGETALL nothing', 'HMGET h a x b', 'SADD s a', 'SMEMBERS s', 'SMISMEMBER s a x',
  'SINTER s nothing', 'ZADD z 1.5 a inf b -0.25 c', 'ZRANGE z 0 -1 WITHSCORES', 'ZSCORE z b',
  'ZSCORE z x', 'ZMSCORE z a x', 'ZADD z INCR 1 a', 'ZPOPMIN z', 'ZPOPMIN z 2', 'ZMPOP 1 z MIN',
  'ZRANDMEMBER nothing', 'GEOADD g 13.361389 38.115556 Palermo', 'GEOPOS g Palermo nothing',
  'GEODIST g Palermo nothing', 'GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 km WITHCOORD WITHDIST',
  'XADD x 1-1 a 1 b 2', 'XADD x 2-1 a 3', 'XRANGE x - +', 'XREAD STREAMS x nothing 1-1 0',
  'XREAD STREAMS x 9-9', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g one STREAMS x >', 'XPENDING x g',
  'XPENDING x g - + 10 nobody', 'XAUTOCLAIM x g two 0 0', 'XINFO GROUPS x', 'BITFIELD b SET u8 0 255 GET u4 0',
  'BITFIELD b OVERFLOW FAIL INCRBY u2 0 7', 'OBJECT ENCODING h', 'TYPE s', 'TTL k', 'EXISTS k nothing',
  'SORT l DESC', 'COPY k k2', 'CONFIG GET maxmemory-policy', 'MEMORY USAGE nothing', 'LATENCY LATEST',
  'CLIENT GETNAME', 'CLIENT TRACKINGINFO', 'ACL GETUSER nobody', 'COMMAND GETKEYS GET a', 'SLOWLOG LEN',
  'PUBSUB NUMSUB a b', 'RPUSH q 1', 'BLPOP nothing q 5', 'BLPOP nothing 0.05', 'BZPOPMIN nothing 0.05',
  'LCS k k2', 'LCS k k2 IDX', 'HRANDFIELD nothing -2', 'DEBUG PROTOCOL double', 'DEBUG PROTOCOL bignum',
  'DEBUG PROTOCOL true', 'DEBUG PROTOCOL verbatim', 'DEBUG PROTOCOL map', 'DEBUG PROTOCOL null',
  'DEBUG PROTOCOL set', 'DEBUG PROTOCOL integer'
]
