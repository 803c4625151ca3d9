# SPDX-License-Identifier: BSD-3-Clause
#
# What a client can't do at a moment, execute() can't either, and says so in the same words: wherever
# it is called from, in a body, a step, an atomic block, a sync callback or a trigger.

tags quick

# The text of the error that a client gets for a command.
proc refusal_of {client args} {
    if {![catch {$client {*}$args} message]} { error "$args was not refused: $message" }
    return $message
}

# A python list of words.
proc python_words {words} {
    return \[[join [lmap word $words {format {'%s'} $word}] ,]\]
}

set call "def call(words):
  try: return execute(*words)
  except Exception as e: return 'refused: ' + str(e).strip()
"

# What execute() of the words gives in each of the places that run code; one that none of them may
# refuse is refused in all.
proc expect_in_all_places {client words want} {
    set py [python_words $words]
    expect [$client RG.PYEXECUTE "$::call
GB('ShardsIDReader').map(lambda x: call($py)).run()"] [list [list $want] {}]
    expect [$client RG.PYEXECUTE "$::call
seen = call($py)
GB('ShardsIDReader').map(lambda x: seen).run()"] [list [list $want] {}]
    expect [$client RG.PYEXECUTE "$::call
def f(x):
  with atomic(): return call($py)
GB('ShardsIDReader').map(f).run()"] [list [list $want] {}]
    foreach trigger {rules-sync rules-async} {
        expect [$client RG.TRIGGER $trigger {*}$words] [list $want]
    }
}

proc register_triggers {client} {
    foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    foreach mode {sync async} {
        $client RG.PYEXECUTE "$::call
GB('CommandReader').map(lambda x: call(x\[1:\])).register(trigger='rules-$mode', mode='$mode')"
    }
}

with_server {} {
    test "no memory" -needs python {
        register_triggers [default_client]
        r SET k v
        r CONFIG SET maxmemory 1
        set refusal [refusal_of [default_client] SET k w]
        expect $refusal "OOM command not allowed when used memory > 'maxmemory'."
        foreach words {{SET k w} {LPUSH l 1} {HSET h f v} {INCR n} {XADD s * f v}} {
            expect_in_all_places [default_client] $words "refused: $refusal"
        }
        # what needs none is done
        expect_in_all_places [default_client] {GET k} v
        expect_in_all_places [default_client] {EXISTS l} 0
        expect_in_all_places [default_client] {DEL nothing} 0
        r CONFIG SET maxmemory 0
        expect_in_all_places [default_client] {SET k w} OK
        expect [r GET k] w
    }

    test "a sync registration, whose client writes while there is memory" -needs python {
        r RG.PYEXECUTE "GB().foreach(lambda x: execute('SET', 'copy', x\['value'\]))\
            .register('rule:*', mode='sync', eventTypes=\['set'\])"
        r SET rule:1 a
        expect [r GET copy] a
        with_config {maxmemory 1} {
            expect_error "OOM*" {r SET rule:1 b}
            # a deletion is no such event; the copy stays
            r DEL rule:1
            expect [r GET copy] a
        }
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "a failing disk" -needs python {
        register_triggers [default_client]
        for {set i 0} {$i < 100} {incr i} {r SET key:$i 1}
        r CONFIG SET save "900 100000" rdb-key-save-delay 10000
        r BGSAVE
        wait_for {[glob -nocomplain -directory [srv dir] temp-*] ne ""}
        regexp {temp-(\d+).rdb} [glob -directory [srv dir] temp-*] -> child
        exec kill -KILL $child
        wait_for {[info_field rdb_last_bgsave_status] eq "err"}
        set refusal [refusal_of [default_client] SET a 1]
        expect_match $refusal "MISCONF Redis is configured to save RDB snapshots*"
        foreach words {{SET a 1} {DEL key:1} PING} {
            expect [refusal_of [default_client] {*}$words] $refusal
            expect_in_all_places [default_client] $words "refused: $refusal"
        }
        expect_in_all_places [default_client] {GET key:1} 1
        r CONFIG SET save "" rdb-key-save-delay 0
        expect_in_all_places [default_client] {SET a 1} OK
        r BGSAVE
        wait_for {[info_field rdb_last_bgsave_status] eq "ok"}
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "no right" -needs python {
        r ACL SETUSER ruled on >pw ~a* &* +@all -flushall
        set c [client]
        $c AUTH ruled pw
        register_triggers $c
        foreach words {{GET b} {SET b 1} FLUSHALL {MGET a b}} {
            set refusal [refusal_of $c {*}$words]
            expect_match $refusal "NOPERM*"
            # stock's own words for a user's client
            expect_in_all_places $c $words "refused: $refusal"
        }
        expect_in_all_places $c {SET a 1} OK
        client::close $c
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
        r ACL DELUSER ruled
    }

    test "commands and arguments that no client can send" -needs python {
        register_triggers [default_client]
        foreach words {{GET} {SET k} {INCRBY k x} {LPUSH k v} {OBJECT NOSUCH k} {SET k v EX 0}} {
            r SET k text
            set refusal [refusal_of [default_client] {*}$words]
            # the engine's own words for a wrong number of arguments, which programs know
            if {[string match "*wrong number of arguments for*" $refusal]} {
                set refusal "Invalid argument"
            }
            expect_in_all_places [default_client] $words "refused: $refusal"
        }
        # nor what a client can send, and a script can't
        foreach words {{DEBUG SLEEP 0} {SHUTDOWN NOSAVE} MULTI {SUBSCRIBE c} {CONFIG SET hz 10}} {
            expect_in_all_places [default_client] $words \
                "refused: ERR This Redis command is not allowed from script"
        }
        foreach g [r RG.DUMPREGISTRATIONS] {r RG.UNREGISTER [lindex $g 1]}
    }

    test "while data is loaded, clients are told so and programs wait" -needs python {
        for {set i 0} {$i < 2000} {incr i} {r SET key:$i $i}
        r CONFIG SET loading-process-events-interval-bytes 1024
        set other [client]
        set id [r RG.PYEXECUTE "
import time
def f(x):
    seen = set()
    for i in range(200):
        try: seen.add(execute('GET', 'key:7'))
        except Exception as e: seen.add(str(e))
        time.sleep(0.001)
    return sorted(str(s) for s in seen)
GB('ShardsIDReader').map(f).run(convertToStr=False)" UNBLOCKING]
        r CONFIG SET key-load-delay 500
        client::send $other DEBUG RELOAD
        client::flush $other
        # Not before: what has come already waits for its turn.
        wait_for {[string match "*Loading RDB produced by*" [srv log]]}
        wait_for {[catch {r GET key:7} message] && [string match "LOADING*" $message]}
        foreach words {{RG.PYEXECUTE 1} {RG.TRIGGER rules-sync PING} {RG.EXPLAIN 1}} {
            expect [refusal_of [default_client] {*}$words] \
                "LOADING Redis is loading the dataset in memory"
        }
        expect [client::receive $other] OK
        r CONFIG SET key-load-delay 0
        # it saw all of the data, or had to wait
        expect [r RG.GETRESULTSBLOCKING $id] {7 {}}
        client::close $other
    }
}
