# SPDX-License-Identifier: BSD-3-Clause
#
# MIGRATE: to a server beside (the outermost one), and to targets of our own making that refuse,
# keep silent, or aren't servers at all. Between stock's server and ours: tests/diff/payloads.py.

tags quick

# ---- the other server ------------------------------------------------------------------------

proc target {field} {
    server::get [dict get [lindex $::suite::stack 0] id] $field
}

# Asks the target.
proc t {args} {
    server::ask [dict get [lindex $::suite::stack 0] id] {*}$args
}

# MIGRATE to the target's database 0 within ten seconds.
proc migrate {key args} {
    r MIGRATE 127.0.0.1 [target port] $key 0 10000 {*}$args
}

# ---- targets that aren't servers -------------------------------------------------------------

namespace eval fake {
    variable requests {}  ;# what all of them were asked, in order
    variable connections 0
    variable buffer
    variable left         ;# replies that a connection has still to give
    variable open {}
}

# Listens and answers the requests of each connection with these lines, one for each; `close` hangs
# up, and when none is left it says no more. Returns the port.
proc fake::listen {replies} {
    variable open
    set server [socket -server [list fake::accept $replies] -myaddr 127.0.0.1 0]
    lappend open $server
    lindex [chan configure $server -sockname] 2
}

proc fake::accept {replies sock host port} {
    variable connections
    variable buffer
    variable left
    variable open
    incr connections
    lappend open $sock
    set buffer($sock) ""
    set left($sock) $replies
    chan configure $sock -translation binary -blocking 0 -buffering none
    chan event $sock readable [list fake::serve $sock]
    fake::hang_up_if_due $sock
}

proc fake::hang_up_if_due {sock} {
    variable left
    if {[lindex $left($sock) 0] ne "close"} { return 0 }
    close $sock
    return 1
}

proc fake::serve {sock} {
    variable buffer
    variable left
    variable requests
    append buffer($sock) [read $sock]
    if {[eof $sock]} { close $sock; return }
    while {[set words [fake::take_request $sock]] ne ""} {
        lappend requests $words
        if {![llength $left($sock)]} continue
        set left($sock) [lassign $left($sock) reply]
        if {$reply ne ""} { puts -nonewline $sock $reply\r\n }
        if {[fake::hang_up_if_due $sock]} return
    }
}

# The words of the first complete request, which is removed, or nothing.
proc fake::take_request {sock} {
    variable buffer
    set text $buffer($sock)
    if {![regexp {^\*(\d+)\r\n} $text head count]} return
    set at [string length $head]
    set words {}
    while {$count} {
        if {![regexp -start $at {\A\$(\d+)\r\n} $text head len]} return
        incr at [string length $head]
        if {[string length $text] < $at + $len + 2} return
        lappend words [string range $text $at [expr {$at + $len - 1}]]
        incr at [expr {$len + 2}]
        incr count -1
    }
    set buffer($sock) [string range $text $at end]
    return $words
}

# Listens, but never reads what is sent.
proc blocked_target {} {
    set ::blocked [socket -server blocked_accept -myaddr 127.0.0.1 0]
    lindex [chan configure $::blocked -sockname] 2
}

proc blocked_accept {sock host port} {
    # The select is answered before it has come, so that the value is sent.
    lappend fake::open $sock
    puts -nonewline $sock +OK\r\n
    flush $sock
}

# Runs the body with targets at hand, and ends them.
proc with_fakes {body} {
    set fake::requests {}
    set fake::connections 0
    set failed [catch {uplevel 1 $body} message info]
    foreach sock $fake::open { catch {close $sock} }
    set fake::open {}
    return -options $info $message
}

proc asked {} {
    lmap words $fake::requests { string toupper [lindex $words 0] }
}

proc cached {} {
    info_field migrate_cached_sockets stats
}

set reading "IOERR error or timeout reading to target instance"
set writing "IOERR error or timeout writing to target instance"
set connecting "IOERR error or timeout connecting to the client"

with_server {} {
with_server {} {
    test "MIGRATE moves a key of each type" -resp {2 3} {
        t FLUSHALL
        r SET text [string repeat "compressible " 100]
        r SET int 12345
        r RPUSH list a 1 [string repeat x 10000]
        r SADD ints 1 2 3
        r SADD words a b c
        r HSET hash f v g 2
        r ZADD zset 1 a 2.5 b
        r XADD stream 1-1 f v
        r XGROUP CREATE stream g 0
        foreach key {text int list ints words hash zset stream} {
            set before [r DEBUG DIGEST-VALUE $key]
            expect [rt MIGRATE 127.0.0.1 [target port] $key 0 10000] {simple OK}
            expect [r EXISTS $key] 0
            expect [t DEBUG DIGEST-VALUE $key] $before
        }
    }

    test "MIGRATE of what isn't there" -resp {2 3} {
        expect [rt MIGRATE 127.0.0.1 [target port] nokey 0 1000] {simple NOKEY}
        expect [rt MIGRATE 127.0.0.1 [target port] "" 0 1000 KEYS nokey other] {simple NOKEY}
        expect [rt MIGRATE 127.0.0.1 [target port] "" 0 1000 KEYS] {simple NOKEY}
        expect [rt MIGRATE 127.0.0.1 [target port] "" 0 1000] {simple NOKEY}
        # Nobody is asked then.
        expect [rt MIGRATE nosuch.invalid 0 nokey 0 1000] {simple NOKEY}
    }

    test "MIGRATE of a key whose time has come" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        r SET k v PX 1
        wait_for {[r PTTL k] == -2}
        expect [migrate k] NOKEY
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "MIGRATE's errors, in their order" {
        set port [target port]
        expect_error "ERR wrong number of arguments for 'migrate' command" {
            r MIGRATE 127.0.0.1 $port k 0
        }
        foreach rest {{AUTH} {AUTH2 user} {nosuch} {COPY nosuch} {REPLACE COPY AUTH}} {
            expect_error "ERR syntax error" {r MIGRATE 127.0.0.1 $port k x x {*}$rest}
        }
        expect_error "ERR When using MIGRATE KEYS option, the key argument must be set to the\
            empty string" {r MIGRATE 127.0.0.1 $port k 0 1000 KEYS k}
        foreach {db timeout} {x 1000 0 x 1.5 1000 0 99999999999999999999 99999999999999999999 0} {
            expect_error "ERR value is not an integer or out of range" {
                r MIGRATE 127.0.0.1 $port nokey $db $timeout
            }
        }
    }

    test "MIGRATE keeps the rest of a key's life" {
        t FLUSHALL
        r SET k v PX 100000
        expect [migrate k] OK
        set left [t PTTL k]
        expect_true {$left > 90000 && $left <= 100000}
        r SET forever v
        expect [migrate forever] OK
        expect [t PTTL forever] -1
    }

    test "MIGRATE COPY and REPLACE" {
        t FLUSHALL
        r SET k v
        expect [migrate k COPY] OK
        expect [r GET k] v
        expect [t GET k] v
        r SET k new
        expect_error "ERR Target instance replied with error: BUSYKEY Target key name already\
            exists." {migrate k COPY}
        expect_error "*BUSYKEY*" {migrate k}
        expect [list [r GET k] [t GET k]] {new v}
        expect [migrate k REPLACE copy] OK
        expect [list [r GET k] [t GET k]] {new new}
        expect [migrate k replace] OK
        expect [r EXISTS k] 0
    }

    test "MIGRATE into another database, and back to the first" {
        t FLUSHALL
        r MSET a 1 b 2 c 3
        expect [r MIGRATE 127.0.0.1 [target port] a 3 10000] OK
        expect [r MIGRATE 127.0.0.1 [target port] b 0 10000] OK
        expect [r MIGRATE 127.0.0.1 [target port] c 3 10000] OK
        expect [t DBSIZE] 1
        expect_match [t INFO keyspace] "*db3:keys=2,*"
        t SWAPDB 0 3
        expect [list [t GET a] [t GET c] [t EXISTS b]] {1 3 0}
    }

    test "MIGRATE to a database that isn't there leaves no key anywhere" -only cogwheel {
        t FLUSHALL
        r SET k v
        foreach db {99 -1} {
            expect_error "ERR Target instance replied with error: ERR DB index is out of range" {
                r MIGRATE 127.0.0.1 [target port] k $db 10000
            }
        }
        expect [t DBSIZE] 0
        expect [r GET k] v
        expect [migrate k] OK
    }

    test "a timeout that isn't positive means the default" {
        t FLUSHALL
        r MSET a 1 b 2 c 3
        expect [r MIGRATE 127.0.0.1 [target port] a 0 0] OK
        expect [r MIGRATE 127.0.0.1 [target port] b 0 -5] OK
        expect [r MIGRATE 127.0.0.1 [target port] c 0 9223372036854775807] OK
        expect [t DBSIZE] 3
    }

    test "MIGRATE KEYS moves those that are there" {
        t FLUSHALL
        r MSET a 1 b 2 c 3 d 4
        expect [migrate "" KEYS a nokey c] OK
        expect_set [r KEYS *] {b d}
        expect_set [t KEYS *] {a c}
        expect [migrate "" COPY KEYS b] OK
        expect_set [r KEYS *] {b d}
    }

    test "MIGRATE KEYS: the target refuses one of several" {
        t FLUSHALL
        t SET b taken
        r MSET a 1 b 2 c 3
        expect_error "ERR Target instance replied with error: BUSYKEY*" {migrate "" KEYS a b c}
        expect [r KEYS *] b
        expect_set [t KEYS *] {a b c}
        expect [t GET b] taken
    }

    test "MIGRATE KEYS with a name that comes twice" {
        t FLUSHALL
        r SET a 1
        expect_error "*BUSYKEY*" {migrate "" KEYS a a}
        expect [list [r EXISTS a] [t GET a]] {0 1}
        r SET a 2
        expect [migrate "" REPLACE KEYS a a] OK
        expect [list [r EXISTS a] [t GET a]] {0 2}
    }

    test "MIGRATE tells of what went" {
        t FLUSHALL
        set c [client -resp 2]
        $c PSUBSCRIBE __keyevent@*
        with_config {notify-keyspace-events EAm} {
            r MSET a 1 b 2
            foreach _ {a b} { client::receive $c }
            migrate "" KEYS a nokey b
            set told {}
            foreach _ {1 2 3} { lappend told [lrange [client::receive $c] 2 3] }
            expect $told {{__keyevent@0__:keymiss nokey} {__keyevent@0__:del a}\
                {__keyevent@0__:del b}}
        }
    }

    test "MIGRATE counts changes, and a watched key has changed" {
        t FLUSHALL
        r MSET a 1 b 2 c 3
        set before [info_field rdb_changes_since_last_save persistence]
        migrate "" KEYS a b
        expect [expr {[info_field rdb_changes_since_last_save persistence] - $before}] 2
        set c [client]
        $c WATCH c
        migrate c COPY REPLACE
        $c MULTI
        $c PING
        expect [$c EXEC] PONG
        $c WATCH c
        migrate c REPLACE
        $c MULTI
        $c PING
        expect [$c EXEC] (nil)
    }

    test "MIGRATE in a transaction" {
        t FLUSHALL
        r SET k v
        r MULTI
        migrate k
        r EXISTS k
        expect [r EXEC] {OK 0}
    }

    test "what MIGRATE has done is a DEL" -only cogwheel {
        t FLUSHALL
        t SET b taken
        r MSET a 1 b 2 c 3
        r DEBUG EFFECTS ON
        catch {migrate "" KEYS a b c}
        expect_match [r DEBUG EFFECTS TAKE] "*DEL*a*c*"
        migrate b REPLACE COPY
        expect_match [r DEBUG EFFECTS TAKE] ""
        r DEBUG EFFECTS OFF
    }

    test "MIGRATE from a gears program" -needs python {
        t FLUSHALL
        r SET k v
        set script "GB('KeysReader').map(lambda x: execute('migrate', '127.0.0.1',\
            '[target port]', x\['key'\], '0', '10000')).run()"
        expect [lindex [r RG.PYEXECUTE $script] 0] OK
        expect [list [r EXISTS k] [t GET k]] {0 v}
    }

    test "a value of many megabytes" {
        t FLUSHALL
        with_config {rdbcompression no} {
            r SETRANGE k 33554431 x
            r SETRANGE other 99999 x
            expect [r MIGRATE 127.0.0.1 [target port] "" 0 60000 KEYS k other] OK
        }
        expect [list [t STRLEN k] [t STRLEN other] [t GETRANGE k -1 -1]] {33554432 100000 x}
        expect [r DBSIZE] 0
    }

    test "thousands of keys at once" {
        t FLUSHALL
        r DEBUG POPULATE 20000 key 100
        set digest [r DEBUG DIGEST]
        set names {}
        for {set i 0} {$i < 20000} {incr i} { lappend names key:$i }
        expect [migrate "" KEYS {*}$names] OK
        expect [r DBSIZE] 0
        expect [t DEBUG DIGEST] $digest
    }

    test "nobody listens, or there is no such host" {
        r SET k v
        set probe [socket -server {} -myaddr 127.0.0.1 0]
        set port [lindex [chan configure $probe -sockname] 2]
        close $probe
        expect_error $::writing {r MIGRATE 127.0.0.1 $port k 0 1000}
        expect_error $::writing {r MIGRATE 127.0.0.1 notaport k 0 1000}
        expect_error $::writing {r MIGRATE 127.0.0.1 70000 k 0 1000}
        expect_error $::connecting {r MIGRATE 127.0.0.1 -1 k 0 1000}
        expect_error $::connecting {r MIGRATE "" $port k 0 1000}
        expect_error $::connecting {r MIGRATE 1.2.3.4.5 $port k 0 1000}
        expect [r GET k] v
    }

    test "names that no host has" -only cogwheel {
        r SET k v
        expect_error $::connecting {r MIGRATE 127.0.0.1\x00x [target port] k 0 1000}
        expect_error $::connecting {r MIGRATE [string repeat a 100000] [target port] k 0 1000}
    }

    test "a target that accepts and says nothing" {
        r SET k v
        with_fakes {
            set port [fake::listen {}]
            set start [clock milliseconds]
            expect_error $::reading {r MIGRATE 127.0.0.1 $port k 0 200}
            set took [expr {[clock milliseconds] - $start}]
            expect_true {$took >= 200 && $took < 5000}
            expect $fake::connections 1
        }
        expect [r GET k] v
    }

    test "a target that falls silent among the keys" {
        r MSET a 1 b 2 c 3
        with_fakes {
            set port [fake::listen {+OK +OK}]
            expect_error $::reading {r MIGRATE 127.0.0.1 $port "" 0 200 KEYS a b c}
        }
        expect_set [r KEYS *] {b c}
    }

    test "a target that doesn't take a large value" {
        with_config {rdbcompression no} {
            r SETRANGE k 33554431 x
            set port [blocked_target]
            expect_error $::writing {r MIGRATE 127.0.0.1 $port k 0 300}
            close $::blocked
        }
        expect [r STRLEN k] 33554432
    }

    test "a target that hangs up" {
        r MSET a 1 b 2
        with_fakes {
            expect_error $::reading {r MIGRATE 127.0.0.1 [fake::listen close] a 0 10000}
            expect_error $::reading {
                r MIGRATE 127.0.0.1 [fake::listen {+OK close}] a 0 10000
            }
            expect_set [r KEYS *] {a b}
            expect_error $::reading {
                r MIGRATE 127.0.0.1 [fake::listen {+OK +OK close}] "" 0 10000 KEYS a b
            }
        }
        expect [r KEYS *] b
    }

    test "a target's errors are told, the first of several" {
        r MSET a 1 b 2
        set told "ERR Target instance replied with error:"
        with_fakes {
            foreach error {"LOADING Redis is loading the dataset in memory"
                "NOAUTH Authentication required." "ERR" "OOM command not allowed when\
                used memory > 'maxmemory'."} {
                set port [fake::listen [list -$error -$error -$error]]
                expect_error "$told $error" {r MIGRATE 127.0.0.1 $port a 0 10000}
            }
            set port [fake::listen {+OK "-ERR one" "-ERR two"}]
            expect_error "$told ERR one" {r MIGRATE 127.0.0.1 $port "" 0 10000 KEYS a b}
            set port [fake::listen {+OK "-ERR one" close}]
            expect_error "$told ERR one" {r MIGRATE 127.0.0.1 $port "" 0 10000 KEYS a b}
            set port [fake::listen {+OK -ERR\x00\x01\xff}]
            catch {r MIGRATE 127.0.0.1 $port a 0 10000} message
            expect_match $message "$told ERR*"
        }
        expect_set [r KEYS *] {a b}
    }

    test "an endless error" {
        r SET k v
        with_fakes {
            set port [fake::listen [list +OK -[string repeat E 100000]]]
            expect_error "ERR Target instance replied with error: EEE*" {
                r MIGRATE 127.0.0.1 $port k 0 10000
            }
        }
        expect [r GET k] v
        expect [r PING] PONG
    }

    test "what isn't a server takes nothing" -only cogwheel {
        r SET k v
        with_fakes {
            foreach replies {{{HTTP/1.1 400 Bad Request}} {+OK :1} {+OK $-1} {+OK "\$2\r\n+OK"}
                {"+OK\r\n+OK\r\n+OK"} {{}}} {
                set port [fake::listen $replies]
                catch {r MIGRATE 127.0.0.1 $port k 0 200} message
                expect_match $message "*ERR *"
                expect [r GET k] v
            }
        }
    }

    test "a target that refuses AUTH or SELECT isn't sent the key" -only cogwheel {
        r SET k v
        with_fakes {
            set port [fake::listen {-ERR +OK +OK}]
            expect_error "*replied with error: ERR" {r MIGRATE 127.0.0.1 $port k 0 1000 AUTH pw}
            expect [asked] {AUTH SELECT}
            set fake::requests {}
            set port [fake::listen {+OK -ERR +OK}]
            expect_error "*replied with error: ERR" {
                r MIGRATE 127.0.0.1 $port k 0 1000 AUTH2 u pw
            }
            expect $fake::requests {{AUTH u pw} {SELECT 0}}
        }
        expect [r GET k] v
    }

    test "what a target is asked" {
        r SET k v
        set payload [r DUMP k]
        with_fakes {
            set port [fake::listen {+OK +OK +OK +OK +OK +OK}]
            r MIGRATE 127.0.0.1 $port k 5 10000 COPY REPLACE AUTH pw
            expect $fake::requests [list {AUTH pw} {SELECT 5} [list RESTORE k 0 $payload REPLACE]]
            # The connection is kept, and knows its database.
            set fake::requests {}
            r MIGRATE 127.0.0.1 $port k 5 10000
            expect $fake::requests [list [list RESTORE k 0 $payload]]
            expect $fake::connections 1
        }
    }

    test "a kept connection that the target has closed" {
        t FLUSHALL
        foreach i {1 2 3} {
            r SET k $i
            expect [migrate k REPLACE] OK
            expect [t GET k] $i
            set before [cached]
            expect_true {$before >= 1}
            t CLIENT KILL TYPE normal
        }
    }

    test "at most 64 connections are kept" {
        with_fakes {
            for {set i 0} {$i < 70} {incr i} {
                r SET k v
                expect [r MIGRATE 127.0.0.1 [fake::listen {+OK +OK}] k 0 10000] OK
            }
            expect [cached] 64
        }
    }

    test "connections that nobody uses are closed" -tags slow {
        t FLUSHALL
        r SET k v
        migrate k
        expect_true {[cached] >= 1}
        wait_for {[cached] == 0} -within 20000
    }

    test "MIGRATE to itself ends with the timeout" {
        r SET k v
        expect_error $::reading {r MIGRATE 127.0.0.1 [srv port] k 0 200}
        expect [r GET k] v
    }
}
}

with_server {requirepass secret} {
with_server {} {
    test "a target with a password" {
        set port [target port]
        set told "ERR Target instance replied with error:"
        r SET k v
        expect_error "$told NOAUTH Authentication required." {
            r MIGRATE 127.0.0.1 $port k 0 10000
        }
        expect_error "$told WRONGPASS *" {r MIGRATE 127.0.0.1 $port k 0 10000 AUTH wrong}
        expect_error "$told WRONGPASS *" {r MIGRATE 127.0.0.1 $port k 0 10000 AUTH2 other secret}
        expect [r GET k] v
        expect [r MIGRATE 127.0.0.1 $port k 0 10000 COPY AUTH secret] OK
        expect [r MIGRATE 127.0.0.1 $port k 0 10000 REPLACE AUTH2 default secret] OK
        expect [r EXISTS k] 0
        set c [client::open -port $port -password secret]
        expect [$c GET k] v
        client::close $c
    }
}
}
