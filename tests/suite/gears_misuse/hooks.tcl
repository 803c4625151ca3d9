# SPDX-License-Identifier: BSD-3-Clause
#
# Hooks and held commands whose programs do what they shouldn't.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc unregister_all {} {
    foreach g [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [dict get $g id] }
}

proc py {args} {
    r RG.PYEXECUTE [join $args \n]
}

with_server [list gears-sync-max-time [expr {300 * $::suite::slow_factor}]] {
    test "a sync hook that doesn't end is stopped, and others go on" -needs python {
        py "def f(r):" "  while True:" "    try:" "      while True: pass" \
            "    except BaseException: pass" \
            "GB('CommandReader').map(f).register(hook='echo', mode='sync')"
        expect_error "*forcestopped*" {r ECHO x}
        unregister_all
        expect [r ECHO x] x
        py "def f(r):" "  while True: pass" "GB().foreach(f).register(commands=\['set'\], mode='sync')"
        expect [r SET k v] OK
        unregister_all
        expect_unhurt
    }

    test "a hook on every command that takes one, and all of them removed" -needs python {
        py "names = \[c\[0\] for c in execute('COMMAND')\]" \
            "def f(r): return call_next(*r\[1:\])" \
            "for name in names:" \
            "  try: GB('CommandReader').map(f).register(hook=name, mode='sync', convertToStr=False)" \
            "  except Exception as e: pass"
        expect_true {[llength [r RG.DUMPREGISTRATIONS]] > 100}
        expect [r SET k v] OK
        expect [r GET k] v
        expect [r PING] PONG
        expect [r HSET h a 1 b 2] 2
        expect_map [r HGETALL h] {a 1 b 2}
        r MULTI
        r INCR n
        r LPUSH l 1 2
        expect [r EXEC] {1 2}
        expect [r FLUSHALL] OK
        unregister_all
        expect [r RG.DUMPREGISTRATIONS] {}
        expect_unhurt
    }

    test "hooks that come and go within calls" -needs python {
        py "def f(r):" \
            "  for i in range(3):" \
            "    GB('CommandReader').map(lambda r: call_next(*r\[1:\]))\
                .register(hook='get', mode='sync', convertToStr=False)" \
            "  return call_next(*r\[1:\])" \
            "GB('CommandReader').map(f).register(trigger='more', mode='async_local')" \
            "def g(r):" \
            "  for x in execute('RG.DUMPREGISTRATIONS'): execute('RG.UNREGISTER', x\[1\])" \
            "  return call_next(*r\[1:\])" \
            "GB('CommandReader').map(g).register(hook='get', mode='sync', convertToStr=False)"
        r SET k v
        expect [r GET k] v
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [r GET k] v
        for {set round 0} {$round < 5} {incr round} {
            py "def h(r):" \
                "  GB('CommandReader').map(lambda r: call_next(*r\[1:\]))\
                    .register(hook='get', mode='sync', convertToStr=False)" \
                "  return 1" \
                "GB('CommandReader').map(h).register(trigger='more', mode='async_local')"
            for {set i 0} {$i < 20} {incr i} {
                r RG.TRIGGER more
                expect [r GET k] v
            }
            unregister_all
            expect [r GET k] v
        }
        expect_unhurt
    }

    test "values for a reply that are none" -needs python {
        foreach value {
            "\[\[\[0\]\]\] * 1000" "f" "\[float('nan'), float('inf')\]" "10 ** 100" "'-'" "'+'"
            "'-a\\r\\nb'" "'\\ud800'" "b''" "{}" "(x for x in \[\])"
        } {
            foreach mode {sync async_local} {
                py "def f(r):" "  override_reply($value)" \
                    "GB().foreach(f).register('k', commands=\['set'\], mode='$mode')"
                catch {r SET k v} reply
                expect [r PING] PONG
                unregister_all
                py "def f(r):" "  return $value" "GB('CommandReader').map(f)\
                    .register(hook='set', mode='$mode', convertToStr=False)"
                catch {r SET k v} reply
                expect [r PING] PONG
                unregister_all
            }
        }
        # A list within itself is an error, not an endless reply.
        py "def f(r):" "  l = \[\]" "  l.append(l)" "  override_reply(l)" \
            "GB().foreach(f).register('k', commands=\['set'\], mode='sync')"
        expect [r SET k v] OK
        unregister_all
        expect_unhurt
    }

    test "call_next with words of every kind" -needs python {
        r SET k v
        foreach {words reply} {
            "'k', 'k'" "*Invalid argument*" "None" "" "bytearray(b'k')" v "b'k'" v "3" ""
            "\['k'\]" "" "'x' * 1000000" "" "*(\['k'\] * 100000)" "*Invalid argument*"
        } {
            py "GB('CommandReader').map(lambda r: call_next($words))\
                .register(hook='get', mode='sync')"
            catch {r GET k} got
            if {$reply ne ""} { expect_match $got $reply }
            unregister_all
        }
        expect_error "*TypeError*" {py "call_next(x=1)"}
        py "class Bad:" "  def __str__(self): raise ValueError('no text')" \
            "GB('CommandReader').map(lambda r: call_next(Bad())).register(hook='get', mode='sync')"
        expect_error "*no text*" {r GET k}
        unregister_all
        expect_unhurt
    }

    test "a storm of held clients that go away" -needs python {
        py "import time" "def f(r):" "  time.sleep(0.001)" "  override_reply('x')" \
            "GB().foreach(f).register('k*', commands=\['set'\], mode='async_local')"
        for {set round 0} {$round < 5} {incr round} {
            set clients {}
            for {set i 0} {$i < 20} {incr i} {
                set c [client]
                lappend clients $c
                client::send $c SET k$i v
                client::send $c PING
                client::flush $c
            }
            for {set i 0} {$i < 20} {incr i} {
                set c [lindex $clients $i]
                if {$i % 2} { client::close $c; continue }
                expect [client::receive $c] x
                expect [client::receive $c] PONG
                client::close $c
            }
        }
        wait_for {[info_field blocked_clients] == 0}
        unregister_all
        expect_unhurt
    }
}
