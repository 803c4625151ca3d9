# SPDX-License-Identifier: BSD-3-Clause
#
# maxmemory: commands that are refused, each policy, counters of accesses, options.

# Bytes that the limit is about.
proc counted {} {
    expr {[info_field used_memory] - [info_field mem_not_counted_for_evict]}
}

# A limit this many bytes above what is in use now.
proc limit_above {bytes} {
    r CONFIG SET maxmemory [expr {[counted] + $bytes}]
}

proc fill {prefix count args} {
    set value [string repeat x 1000]
    for {set i 0} {$i < $count} {incr i} { r SET $prefix:$i $value {*}$args }
}

proc call {c args} {
    client::send $c {*}$args
    client::flush $c
    return [client::receive $c]
}

set oom "OOM command not allowed when used memory > 'maxmemory'."

with_server {} {
    test "noeviction refuses what needs memory, and nothing else" {
        r SET k v
        r RPUSH l a
        r CONFIG SET maxmemory 1
        expect_error $oom {r SET k w}
        expect_error $oom {r LPUSH l x}
        expect_error $oom {r COPY k c}
        expect [r GET k] v
        expect [r LPOP l] a
        expect [r DEL none] 0
        expect_match [r INFO commandstats] "*cmdstat_set:calls=1,*,rejected_calls=1,*"
        expect [info_field evicted_keys] 0
        expect [info_field maxmemory] 1
        r CONFIG SET maxmemory 0
        expect [r SET k w] OK
    }

    test "transactions without memory" {
        set other [client]
        r MULTI
        r SET a 1
        call $other CONFIG SET maxmemory 1
        expect_error "EXECABORT Transaction discarded because of: $oom" {r EXEC}
        r MULTI
        expect_error $oom {r GET k}
        expect_error "EXECABORT Transaction discarded because of previous errors." {r EXEC}
        call $other CONFIG SET maxmemory 0
        client::close $other
        expect [r EXISTS a] 0
    }

    test "every policy keeps the limit" {
        foreach policy {allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu
                        volatile-random volatile-ttl} {
            r FLUSHALL
            r CONFIG RESETSTAT
            r CONFIG SET maxmemory 0 maxmemory-policy $policy maxmemory-eviction-tenacity 100
            limit_above 1000000
            fill k 3000 EX 10000
            expect_true {[r DBSIZE] < 2000}
            expect_true {[r DBSIZE] > 300}
            # The cron may evict some more between the two questions.
            expect_near [expr {[info_field evicted_keys] + [r DBSIZE]}] 3000 50
            expect [info_field maxmemory_policy] $policy
        }
        r CONFIG SET maxmemory 0
    }

    test "volatile policies leave other keys alone" {
        foreach policy {volatile-lru volatile-lfu volatile-random volatile-ttl} {
            r FLUSHALL
            r CONFIG SET maxmemory 0 maxmemory-policy $policy
            fill stay 500
            fill go 5 EX 1000
            r CONFIG SET maxmemory 1
            expect_error $oom {r SET a b}
            expect [r DBSIZE] 500
            r CONFIG SET maxmemory 0
        }
    }

    test "volatile-ttl takes the next to expire" {
        r FLUSHALL
        fill soon 200 EX 100
        fill late 200 EX 100000
        r CONFIG SET maxmemory-policy volatile-ttl maxmemory-samples 10
        r CONFIG SET maxmemory [expr {[info_field used_memory] - 100000}]
        r GET soon:1
        expect_true {[llength [r KEYS late:*]] > 195}
        expect_true {[llength [r KEYS soon:*]] < 150}
        r CONFIG SET maxmemory 0
    }

    test "allkeys-lfu keeps what is used" {
        r CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0
        r FLUSHALL
        fill cold 300
        fill hot 50
        for {set n 0} {$n < 20} {incr n} {
            for {set i 0} {$i < 50} {incr i} { r GET hot:$i }
        }
        expect [r OBJECT FREQ cold:1] 5
        expect [r OBJECT FREQ hot:1] 25
        expect_error "ERR An LFU maxmemory policy is selected, idle time not tracked.*" {
            r OBJECT IDLETIME hot:1
        }
        r SET hot:1 other
        expect [r OBJECT FREQ hot:1] 26
        r RESTORE r 0 [r DUMP hot:1] FREQ 77
        expect [r OBJECT FREQ r] 77
        r CONFIG SET maxmemory [expr {[info_field used_memory] - 150000}]
        r PING
        expect [llength [r KEYS hot:*]] 50
        expect_true {[llength [r KEYS cold:*]] < 200}
        r CONFIG SET maxmemory 0 maxmemory-policy allkeys-lru
        expect_error "ERR An LFU maxmemory policy is not selected*" {r OBJECT FREQ r}
    }

    test "evicted keys are told of, each once" {
        r FLUSHALL
        r CONFIG SET maxmemory-policy allkeys-lru notify-keyspace-events Eeg
        set c [client -resp 2]
        $c PSUBSCRIBE __keyevent@*
        fill k 20
        r CONFIG SET maxmemory 1
        set names {}
        for {set i 0} {$i < 20} {incr i} {
            lassign [client::receive $c] kind pattern channel name
            expect $channel __keyevent@0__:evicted
            lappend names $name
            lappend all k:$i
        }
        expect_set $names $all
        expect [r DBSIZE] 0
        r CONFIG SET maxmemory 0 notify-keyspace-events ""
    }

    test "how long the limit was exceeded" {
        r CONFIG SET maxmemory 0 maxmemory-policy noeviction
        r CONFIG RESETSTAT
        expect [info_field current_eviction_exceeded_time] 0
        expect [info_field total_eviction_exceeded_time] 0
        r CONFIG SET maxmemory 1
        wait_for {[info_field current_eviction_exceeded_time] > 20}
        r CONFIG SET maxmemory 1000000000
        wait_for {[info_field current_eviction_exceeded_time] == 0}
        set total [info_field total_eviction_exceeded_time]
        expect_true {$total > 20}
        r CONFIG SET maxmemory 1
        wait_for {[info_field total_eviction_exceeded_time] > $total + 20}
        expect_true {[info_field current_eviction_exceeded_time] <\
            [info_field total_eviction_exceeded_time]}
        r CONFIG SET maxmemory 1000000000
        r PING
        r CONFIG RESETSTAT
        expect [info_field total_eviction_exceeded_time] 0
        r CONFIG SET maxmemory 0
    }

    test "without a limit nothing is exceeded" -only cogwheel {
        r CONFIG SET maxmemory-policy noeviction maxmemory 1
        wait_for {[info_field current_eviction_exceeded_time] > 0}
        r CONFIG SET maxmemory 0
        expect [info_field current_eviction_exceeded_time] 0
    }

    test "a gears program's commands without memory" -needs python {
        r SET k v
        r CONFIG SET maxmemory-policy noeviction maxmemory 1
        set script {
def attempt(*words):
    try:
        return str(execute(*words))
    except Exception as e:
        return str(e)
said = [attempt('set', 'a', 'b'), attempt('get', 'k'), attempt('incr', 'n'), attempt('del', 'k')]
with atomic():
    said.append(attempt('set', 'c', 'd'))
GB('ShardsIDReader').map(lambda _: '; '.join(said)).run()
        }
        lassign [r RG.PYEXECUTE $script] said errors
        expect $errors {}
        expect_match $said "*$::oom*; v; *$::oom*; 1; *$::oom*"
        r CONFIG SET maxmemory 0
        expect [r DBSIZE] 0
    }

    test "a gears program's commands evict" -needs python {
        r CONFIG SET maxmemory-policy allkeys-lru maxmemory-eviction-tenacity 100
        r CONFIG RESETSTAT
        limit_above 500000
        r RG.PYEXECUTE "for i in range(3000): execute('set', 'k:%d' % i, 'x' * 1000)"
        expect_true {[info_field evicted_keys] > 1000}
        expect_true {[r DBSIZE] > 100}
        r RG.PYEXECUTE "with atomic():\n for i in range(3000):\
            execute('set', 'k:%d' % i, 'y' * 1000)"
        expect_true {[r DBSIZE] < 2000}
        r CONFIG SET maxmemory 0 maxmemory-eviction-tenacity 10 maxmemory-policy noeviction
    }

    test "large values are evicted in the background, and counted meanwhile" {
        r FLUSHALL
        for {set i 0} {$i < 30} {incr i} {
            r SADD s:$i {*}[lmap n [lrepeat 500 x] { rand_bytes 20 }]
            r RPUSH l:$i {*}[lrepeat 200 [string repeat y 100]]
            r ZADD z:$i {*}[concat {*}[lmap n [lrepeat 200 x] { list 1 [rand_bytes 20] }]]
            r XADD x:$i * f [string repeat z 1000]
        }
        set used [counted]
        r CONFIG SET maxmemory-policy allkeys-random
        limit_above -500000
        wait_for {[r PING] eq "PONG" && [counted] < $used - 400000}
        set left [r DBSIZE]
        expect_true {$left > 0 && $left < 120}
        r CONFIG SET maxmemory 0 maxmemory-policy noeviction
    }

    test "options" {
        expect_match [r CONFIG GET maxmemory-*] "*maxmemory-samples*"
        expect_error "ERR CONFIG SET failed (possibly related to argument\
            'maxmemory-policy') - argument(s) must be one of the following: volatile-lru,\
            volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu,\
            allkeys-random, noeviction" {r CONFIG SET maxmemory-policy foo}
        expect_error "*argument must be between 1 and 2147483647 inclusive" {
            r CONFIG SET maxmemory-samples 0
        }
        expect_error "*argument must be between 0 and 100 inclusive" {
            r CONFIG SET maxmemory-eviction-tenacity 101
        }
    }
}
