# SPDX-License-Identifier: BSD-3-Clause
#
# Clients that people use: redis-cli and redis-py subscribe, hear, monitor.

tags quick

with_server {} {
    test "redis-cli subscribes" {
        set cli [spawn redis-cli -p [srv port] SUBSCRIBE news]
        wait_for {[r PUBLISH news hello] == 1}
        set list [split [string trim [r CLIENT LIST TYPE pubsub]] \n]
        regexp {id=(\d+)} $list -> id
        r CLIENT KILL ID $id
        catch {spawn_wait $cli} output
        expect_match $output "*subscribe*news*1*message*news*hello*"
    }

    test "redis-cli monitors" {
        set cli [spawn timeout 20 redis-cli -p [srv port] MONITOR]
        wait_for {[string match "*flags=O *" [r CLIENT LIST]]}
        r SET k v
        regexp {id=(\d+)[^\n]*flags=O } [r CLIENT LIST] -> id
        r CLIENT KILL ID $id
        catch {spawn_wait $cli} output
        expect_match $output {*OK*"SET" "k" "v"*}
    }

    test "redis-py subscribes and monitors" {
        set program {
import sys, redis
r = redis.Redis(host='127.0.0.1', port=int(sys.argv[1]))
p = r.pubsub()
p.subscribe('x')
p.psubscribe('x*')
def hear():
    m = p.get_message(timeout=10)
    print(m['type'], m['channel'].decode(), m['data'] if isinstance(m['data'], int)
          else m['data'].decode())
hear(), hear()
print(r.publish('x', 'hi'))
hear(), hear()
print(r.pubsub_channels(), r.pubsub_numsub('x'), r.pubsub_numpat())
p.unsubscribe()
p.punsubscribe()
hear(), hear()
with r.monitor() as m:
    r.set('a', 'b c')
    print(m.next_command()['command'])
}
        if {[catch {exec /usr/bin/python3 -c "import redis"}]} {
            error "redis-py isn't there; `make deps` installs it"
        }
        set want "subscribe x 1\npsubscribe x* 2\n2\nmessage x hi\npmessage x hi\n"
        append want "\[b'x'] \[(b'x', 1)] 1\nunsubscribe x 1\npunsubscribe x* 0\nSET a b c"
        expect [exec /usr/bin/python3 -c $program [srv port]] $want
    }
}
