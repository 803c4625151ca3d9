# SPDX-License-Identifier: BSD-3-Clause
#
# Scripts and registrations act with the rights, as they are now, of the user who sent them.

tags quick threads

proc as {name} {
    set c [client]
    $c AUTH $name p
    return $c
}

proc py {c args} {
    $c RG.PYEXECUTE [join $args \n]
}

proc drop_registrations {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}

proc data {field} {
    dict get [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData] $field
}

with_server {} {
    test "execute() in a body" -needs python {
        r ACL SETUSER a on nopass +rg.pyexecute +set ~a*
        set c [as a]
        expect [py $c "execute('set', 'a', '1')"] OK
        expect_error "*NOPERM this user has no permissions to access one of the keys*" {
            py $c "execute('set', 'b', '1')"
        }
        expect_error "*NOPERM this user has no permissions to run the 'get' command*" {
            py $c "execute('get', 'a')"
        }
        expect [dict get [lindex [r ACL LOG] 0] context] gears
        expect [dict get [lindex [r ACL LOG] 0] username] a
        r ACL SETUSER a -rg.pyexecute
        expect_error "NOPERM *'rg.pyexecute' command" { py $c "1" }
        r ACL DELUSER a
        r ACL LOG RESET
    }

    test "steps of a run" -needs python {
        r ACL SETUSER a on nopass +rg.pyexecute +get ~a*
        set c [as a]
        r SET a1 1
        r SET b1 2
        set reply [py $c "def words(): yield from ('a1', 'b1')" \
            "GB('PythonReader').map(lambda x: execute('get', x)).run(words)"]
        expect [lindex $reply 0] 1
        expect_match [lindex $reply 1 0] "*NOPERM this user*"
        r ACL DELUSER a
    }

    test "readers see what the user may read" -needs python {
        r ACL SETUSER a on nopass +rg.pyexecute ~a* %W~w*
        set c [as a]
        r MSET a1 1 a2 2 b1 3 w1 4
        r XADD s 1-1 f v
        r XADD as 1-1 f v
        expect [lsort [lindex [py $c "GB('KeysOnlyReader').run()"] 0]] {a1 a2 as}
        expect [lindex [py $c "GB().map(lambda x: x\['value'\]).run('a1')"] 0] 1
        expect [py $c "GB().count().run('b1')"] {{} {}}
        expect [lindex [py $c "GB().count().run()"] 0] 3
        expect [lindex [r RG.PYEXECUTE "GB().count().run()"] 0] 6
        expect [lindex [py $c "GB('StreamReader').count().run('as')"] 0] 1
        expect [lindex [py $c "GB('StreamReader').count().run('s')"] 0] {}
        r ACL DELUSER a
    }

    test "a thread acts for who started its script" -needs python {
        r ACL SETUSER a on nopass +rg.pyexecute +set ~a*
        set c [as a]
        r DEL a b
        py $c "import threading, _thread" "said = \[\]" "def work():" \
            "  execute('set', 'a', 'x')" "  try: execute('set', 'b', 'x')" \
            "  except Exception as e: execute('set', 'a', str(e))" \
            "t = threading.Thread(target=work)" "t.start()" "t.join()"
        expect_match [r GET a] "*NOPERM*"
        expect [r EXISTS b] 0
        r DEL a
        py $c "import _thread" "def work():" "  try: execute('set', 'b', 'x')" \
            "  except Exception as e: execute('set', 'a', str(e))" \
            "def start(): _thread.start_new_thread(work, ())" "_thread.start_new_thread(start, ())"
        wait_for {[string match *NOPERM* [r GET a]]}
        r ACL DELUSER a
    }

    foreach mode {sync async} {
        test "a registration in mode $mode has its sender's rights" -needs python {
            drop_registrations
            r DEL a:log b:log
            r ACL SETUSER a on nopass +rg.pyexecute +incr ~a:* %R~k*
            r ACL SETUSER b on nopass +set ~*
            set c [as a]
            py $c "def f(r):" "  execute('incr', 'a:log')" "  execute('incr', 'b:log')" \
                "GB().foreach(f).register('k*', mode='$mode')"
            # the client that triggers it may not INCR
            set b [as b]
            $b SET k1 v
            wait_for {[data numFailures] == 1}
            expect [r GET a:log] 1
            expect [r EXISTS b:log] 0
            expect_match [data lastError] "*NOPERM*"
            # rights that are given and taken count at once
            r ACL SETUSER a ~b:*
            $b SET k1 v
            wait_for {[data numSuccess] == 1}
            expect [r GET b:log] 1
            r ACL SETUSER a -incr
            $b SET k1 v
            wait_for {[data numFailures] == 2}
            # a user that is gone has none; one of its name has its own
            r ACL DELUSER a
            $b SET k1 v
            wait_for {[data numFailures] == 3}
            expect_match [data lastError] "*doesn't exist any more*"
            r ACL SETUSER a +incr ~*
            $b SET k1 v
            wait_for {[data numSuccess] == 2}
            expect [r GET a:log] 3
            # what it may not read it isn't told of
            r ACL SETUSER a resetkeys ~a:* ~b:*
            $b SET k1 v
            r ACL SETUSER a %R~k2
            $b SET k2 v
            wait_for {[data numSuccess] == 3}
            expect [data numTriggered] 6
            drop_registrations
            r ACL DELUSER a b
        }
    }

    test "a script whose user goes away meanwhile" -needs python {
        r ACL SETUSER a on nopass +@all ~*
        set c [as a]
        r DEL said
        expect [$c RG.PYEXECUTE {
import threading, os
def work():
    while True:
        try: execute('incr', 'turns')
        except Exception as e: break_with(str(e))
def break_with(text):
    with open('said.tmp', 'w') as f: f.write(text)
    os.rename('said.tmp', 'said.txt')
    raise SystemExit
threading.Thread(target=work).start()
}] OK
        wait_for {[r EXISTS turns]}
        r ACL DELUSER a
        set path [file join [srv dir] said.txt]
        wait_for {[file exists $path]}
        set file [open $path]
        expect_match [read $file] "*the user 'a', for whom this runs, doesn't exist any more*"
        close $file
    }
}
