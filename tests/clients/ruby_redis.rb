# SPDX-License-Identifier: BSD-3-Clause
#
# All kinds of replies through redis-rb. See README.md.
#
# usage: ruby ruby_redis.rb PORT [gears]
require 'digest'
require 'json'
require 'redis'

def connect(**options)
  Redis.new(port: Integer(ARGV[0]), timeout: 30, **options)
end

def plain(value)
  case value
  when String then value.dup.force_encoding('ISO-8859-1').encode('UTF-8')
  when Array then value.map { |item| plain(item) }
  when Hash then value.to_h { |key, item| [plain(key), plain(item)] }
  when Exception then "#{value.class}: #{value.message}"
  when Float then value.to_s
  else value
  end
end

def show(name, value)
  puts "#{name}: #{JSON.generate(plain(value))}"
end

def attempt
  yield
rescue Redis::BaseError => e
  e
end

def single_values(r)
  show 'status', [r.ping, r.set('k', 'v'), r.set('k', 'w', nx: true)]
  show 'bulk', [r.get('k'), r.get('nothing'), r.echo("a\r\n\0\xff".b)]
  show 'ints', [r.incr('n'), r.decrby('n', 5), r.set('n', 2**63 - 1), attempt { r.incr('n') }]
  big = (0..255).map(&:chr).join.b * 20_000
  r.set('big', big)
  show 'big', [r.strlen('big'), Digest::SHA1.hexdigest(r.get('big'))]
  show 'floats', [r.incrbyfloat('f', 1.5), r.zadd('z', [[1.5, 'a'], [Float::INFINITY, 'b']]),
                  r.zscore('z', 'b'), r.zrange('z', 0, -1, with_scores: true),
                  r.zscore('z', 'nothing'), r.geoadd('g', 13.361389, 38.115556, 'Palermo'),
                  r.geopos('g', %w[Palermo nothing])]
  show 'errors', [attempt { r.lpush('k', 1) }, attempt { r.call('NOTHING', 'a') },
                  attempt { r.call('GET') }]
end

def collections(r)
  r.rpush('l', (1..200).to_a)
  show 'lists', [r.lrange('l', 0, -1), r.lpop('l', 2), r.lrange('no', 0, -1), r.lpop('no', 2)]
  r.sadd('s', (0...300).map { |i| "m#{i}" })
  show 'sets', [r.smembers('s').sort, r.smismember('s', 'm1', 'x'), r.sinter('s', 'no')]
  r.mapped_hmset('h', { 'a' => 1, 'b' => "\0\1", 'c' => '' })
  show 'hashes', [r.hgetall('h'), r.hmget('h', 'a', 'x'), r.hgetall('no')]
  show 'zsets', [r.zpopmin('z'), r.zmscore('z', 'b', 'x'), r.zrank('z', 'no')]
  show 'others', [r.setbit('b', 100, 1), r.bitcount('b'), r.pfadd('p', %w[a b]), r.pfcount('p'),
                  r.type('h'), r.object('encoding', 'l'), r.sort('l', order: 'DESC', limit: [0, 3]),
                  r.ttl('k'), r.mget('k', 'no'), r.call('LMPOP', 1, 'l', 'LEFT', 'COUNT', 2)]
end

def streams(r)
  show 'xadd', [r.xadd('x', { a: 1 }, id: '1-1'), r.xadd('x', { a: 2, b: 3 }, id: '2-1')]
  show 'xread', [r.xrange('x'), r.xread('x', '1-1'), r.xread('x', '9-9')]
  show 'groups', [r.xgroup(:create, 'x', 'g', '0'),
                  attempt { r.xgroup(:create, 'x', 'g', '0') },
                  r.xreadgroup('g', 'one', 'x', '>', count: 1), r.xpending('x', 'g'),
                  r.xack('x', 'g', '1-1'), r.xinfo(:stream, 'x'), r.xinfo(:groups, 'x'),
                  r.xautoclaim('x', 'g', 'two', 0, '0-0')]
end

def scans(r)
  1000.times { |i| r.set("scan:#{i}", i) }
  show 'scan', [r.scan_each(match: 'scan:*', count: 100).to_a.uniq.size,
                r.hscan_each('h').to_a.uniq.sort, r.sscan_each('s').to_a.uniq.size,
                r.keys('scan:1?').size]
end

def pipelines(r)
  replies = r.pipelined do |p|
    10_000.times do |i|
      p.set("p:#{i}", i)
      p.strlen("p:#{i}")
    end
  end
  show 'pipeline', [replies.size, replies.first(4), replies.grep(Integer).sum]
  show 'multi', r.multi { |m| m.set('k', 'v'); m.get('k'); m.get('nothing'); m.incr('i') }
  watched = r.watch('k') do
    connect.set('k', 'other')
    r.multi { |m| m.get('k') }
  end
  show 'watch', [watched]
end

def pubsub(r)
  seen = []
  publisher = Thread.new do
    other = connect
    Thread.pass while other.pubsub(:numpat) < 1
    seen << other.publish('ch', "a\0b")
    other.publish('ch', 'end')
  end
  connect.psubscribe('c*') do |on|
    on.psubscribe { |pattern, total| seen << [pattern, total] }
    on.pmessage do |pattern, channel, message|
      seen << [pattern, channel, message] unless message == 'end'
      raise StopIteration if message == 'end'
    end
  end
rescue StopIteration
  publisher.join
  show 'pubsub', seen.sort_by(&:to_s)
end

def blocking(r)
  r.rpush('q', [1, 2])
  show 'blocking', [r.blpop('nothing', 'q', timeout: 5), r.brpop('q', timeout: 5),
                    r.blpop('nothing', timeout: 0.05), r.bzpopmin('nothing', timeout: 0.05),
                    r.xread('x', '$', block: 50)]
  got = nil
  waiter = Thread.new { got = connect.blmove('q', 'q2', 'LEFT', 'RIGHT', timeout: 20) }
  Thread.pass until r.info('clients')['blocked_clients'] == '1'
  r.rpush('q', 'late')
  waiter.join
  show 'blocked', [got, r.lrange('q2', 0, -1)]
end

def server(r)
  show 'server', [r.info.key?('redis_version'), r.config(:get, 'maxmemory-policy'),
                  r.call('CLIENT', 'SETNAME', 'me'), r.call('CLIENT', 'GETNAME'),
                  r.client(:list).size.positive?, r.time.size, r.dbsize > 1000,
                  connect(db: 3).get('k')]
  dump = r.dump('h')
  show 'restore', [r.restore('h2', 0, dump), r.hgetall('h2') == r.hgetall('h')]
end

def gears(r)
  r.mset('gear:a', 1, 'gear:b', 2)
  script = "GB().count().run('gear:*')"
  show 'gears', [r.call('RG.PYEXECUTE', script), attempt { r.call('RG.PYEXECUTE', '1 +') }]
end

Redis.silence_deprecations = true
r = connect
r.flushall
%i[single_values collections streams scans pipelines pubsub blocking server].each { |part| send(part, r) }
gears(r) if ARGV.include?('gears')
puts 'done'
