# SPDX-License-Identifier: BSD-3-Clause
#
# Effects: what others would have to repeat. Ours are asked by DEBUG EFFECTS, stock's are what it
# appends to its AOF.

tags quick

set stock [expr {$::server::kind eq "stock"}]
set recording [expr {$stock ? {appendonly yes aof-use-rdb-preamble no appendfsync no} : {}}]

# The bytes of all effects since the last call.
proc taken {} {
    global stock aof
    if {!$stock} { return [r DEBUG EFFECTS TAKE] }
    set name [glob [srv dir]/appendonlydir/*.incr.aof]
    set file [open $name rb]
    if {![info exists aof] || [lindex $aof 0] ne $name} { set aof [list $name 0] }
    seek $file [lindex $aof 1]
    set bytes [read $file]
    set aof [list $name [tell $file]]
    close $file
    return $bytes
}

# The commands of a stream of effects; a moment not far from now is T.
proc commands_of {bytes} {
    lmap words [client::requests_of $bytes] {
        lmap word $words { if {[regexp {^1[0-9]{12}$} $word]} { set word T } else { set word } }
    }
}

# The effects of a script's commands, SELECT left out.
proc effects {script} {
    global stock
    if {!$stock} { r DEBUG EFFECTS ON }
    taken
    uplevel 1 $script
    return [lsearch -all -inline -not -index 0 [commands_of [taken]] SELECT]
}

# A script of one command per line: those that are repeated in other words, or not at all, are
# followed by "->" and a list of the commands that stand for them.
proc expect_effects {script} {
    foreach row [split [string trim $script] \n] {
        if {[string trim $row] eq ""} continue
        set at [string first " ->" $row]
        set command [expr {$at < 0 ? $row : [string range $row 0 $at]}]
        set want [list [list {*}$command]]
        if {$at >= 0} { set want [lmap words [string range $row $at+3 end] { list {*}$words }] }
        set got [effects { catch { r {*}$command } }]
        if {$got ne $want} { error "$command: got $got, want $want" }
    }
}

# Makes the keys expire, without anybody looking at them.
proc expire_all {args} {
    r DEBUG SET-ACTIVE-EXPIRE 0
    foreach key $args { r PEXPIRE $key 20 }
    set end [expr {[clock milliseconds] + 22}]
    wait_for {[clock milliseconds] > $end}
}

with_server $recording {
    test "a change is its own effect; what changes nothing has none" {
        expect_effects {
            SET k v
            get k                       ->
            sEtRange k 1 xyz
            SETRANGE k 0 ""             ->
            SETNX k v                   ->
            INCR k                      ->
            SET k                       ->
            NOSUCH k                    ->
            APPEND k ""
            DEL nokey                   ->
            SADD s a b
            SADD s a b                  ->
            HSET h f v
            HSET h f v
            LTRIM k 0 -1                ->
            RPUSH l a b c
            LTRIM l 0 -1                ->
            LREM l 0 nosuch             ->
            ZADD z 1 a
            ZADD z 1 a                  ->
            RENAME s s                  ->
            RENAME s t
            UNLINK t nokey
            PFADD p a b
            PFADD p a b                 ->
            PFCOUNT p
            PFCOUNT p                   ->
            PFCOUNT p q                 ->
            SETBIT b 7 0
            SETBIT b 7 0                ->
            BITFIELD b SET u8 0 255
            BITFIELD b SET u8 0 255     ->
            SORT l ALPHA                ->
            SORT l ALPHA STORE l2
            SORT nolist STORE l2
            SORT nolist STORE l2        ->
            ZRANGESTORE z2 z 0 -1
            COPY z z3
            COPY z z3                   ->
        }
    }

    test "bytes of any kind, and many" {
        set value "\r\n\$1\r\n*\0\xff[string repeat x 100000]"
        expect [effects { r SET "k\0\r\n" $value }] [list [list SET "k\0\r\n" $value]]
        expect [effects { r SET "" "" }] {{SET {} {}}}
        set members {}
        for {set i 0} {$i < 5000} {incr i} { lappend members member:$i }
        expect [effects { r SADD s {*}$members }] [list [list SADD s {*}$members]]
    }

    test "relative times become moments" {
        expect_effects {
            SET k v EX 100                    -> {SET k v PXAT T}
            set k v px 100000                 -> {SET k v PXAT T}
            SET k v NX                        ->
            SET k v XX EXAT 4000000000        -> {SET k v PXAT 4000000000000}
            SET k v GET KEEPTTL               -> {SET k v KEEPTTL}
            SETEX k 100 v                     -> {SET k v PXAT T}
            PSETEX k 100000 v                 -> {SET k v PXAT T}
            GETEX k                           ->
            GETEX k EX 100                    -> {PEXPIREAT k T}
            GETEX k PXAT 4000000000123        -> {PEXPIREAT k 4000000000123}
            GETEX k PERSIST                   -> {PERSIST k}
            GETEX k PERSIST                   ->
            EXPIRE k 100                      -> {PEXPIREAT k T}
            EXPIRE k 100 NX                   ->
            PEXPIRE k 50000 LT                -> {PEXPIREAT k T LT}
            EXPIREAT k 4000000000             -> {PEXPIREAT k 4000000000000}
            PEXPIREAT k 4000000000123
            PERSIST k
            PERSIST k                         ->
            EXPIRE k -1                       -> {DEL k}
            EXPIRE k -1                       ->
            SET k v
            GETEX k PXAT 1                    -> {DEL k}
        }
    }

    test "numbers, and replies that nobody reads" {
        expect_effects {
            INCRBYFLOAT k 1.5                 -> {SET k 1.5 KEEPTTL}
            INCRBYFLOAT k x                   ->
            INCRBY i 3
            HINCRBYFLOAT h f 1.25             -> {HSET h f 1.25}
            hincrbyfloat h f 0                -> {HSET h f 1.25}
            HINCRBYFLOAT h f nan              ->
            HINCRBY h g 2
            GETSET k v                        -> {SET k v}
            GETDEL k                          -> {DEL k}
            GETDEL k                          ->
        }
    }

    test "what pops, from several keys or by waiting" {
        r RPUSH l a b c d e f g h i j
        r ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h
        expect_effects {
            LPOP l
            LPOP l 0                          ->
            RPOP l 2
            LMPOP 2 nolist l RIGHT            -> {RPOP l 1}
            LMPOP 2 nolist l left COUNT 2     -> {LPOP l 2}
            LMPOP 2 nolist nolist LEFT        ->
            LMPOP 2 l nolist nowhere          ->
            BLPOP nolist l 0                  -> {LPOP l}
            brpop l 0                         -> {RPOP l}
            BLMOVE l m LEFT RIGHT 0           -> {LMOVE l m LEFT RIGHT}
            BRPOPLPUSH m l 0                  -> {RPOPLPUSH m l}
            BLMPOP 0 2 nolist l LEFT COUNT 9  -> {LPOP l 2}
            BLPOP l 0.001                     ->
            LMOVE l m LEFT RIGHT              ->
            ZPOPMIN z
            ZPOPMAX z 2
            ZPOPMIN z 0                       ->
            ZMPOP 2 noset z MAX               -> {ZPOPMAX z 1}
            BZPOPMIN z 0                      -> {ZPOPMIN z}
            BZPOPMAX noset z 0                -> {ZPOPMAX z}
            BZMPOP 0 2 noset z MIN COUNT 99   -> {ZPOPMIN z 2}
            ZMPOP 1 z MIN                     ->
        }
    }

    test "SPOP takes what it took, by name" {
        r SADD s a
        expect [effects { r SPOP s }] {{SREM s a}}
        r SADD s a b c
        expect [effects { set got [r SPOP s] }] [list [list SREM s $got]]
        expect [effects { r SPOP s 0 }] {}
        expect [effects { r SPOP s 5 }] {{DEL s}}
        expect [effects { r SPOP s 5 }] {}
        expect [effects { catch { r SPOP s -1 } }] {}
    }

    test "SPOP of many" -only cogwheel {
        set members {}
        for {set i 0} {$i < 3000} {incr i} { lappend members m$i }
        r SADD s {*}$members
        set commands [effects { set got [r SPOP s 2999] }]
        expect [lmap words $commands { lrange $words 0 1 }] \
            {MULTI {SREM s} {SREM s} {SREM s} EXEC}
        expect_set [concat {*}[lmap words $commands { lrange $words 2 end }]] $got
        expect [lindex [effects { r SPOP s 1 }] 0] {DEL s}
    }

    test "GEOADD is a ZADD" {
        expect_effects {
            GEOADD g 13.361389 38.115556 Palermo NX    ->
        }
        set got {}
        foreach words [effects {
            r GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
            r GEOADD g 13.361389 38.115556 Palermo
            r GEOADD g XX CH 13.361380 38.115556 Palermo
        }] { lappend got [list [string toupper [lindex $words 0]] {*}[lrange $words 1 end]] }
        expect [lindex $got 0] {ZADD g 3479099956230698 Palermo 3479447370796909 Catania}
        expect [lindex $got 1] {ZADD g XX CH 3479099956230690 Palermo}
        expect [llength $got] 2
    }

    test "RESTORE" {
        r SET k v
        set d [r DUMP k]
        expect [effects { r RESTORE a 0 $d }] [list [list RESTORE a 0 $d]]
        expect [effects { r RESTORE a 100000 $d replace IDLETIME 5 }] \
            [list [list RESTORE a T $d replace IDLETIME 5 ABSTTL]]
        expect [effects { r RESTORE a 4000000000123 $d ABSTTL REPLACE }] \
            [list [list RESTORE a 4000000000123 $d ABSTTL REPLACE]]
        expect [effects { catch { r RESTORE a 0 $d } }] {}
        expect [effects { catch { r RESTORE b 0 x$d } }] {}
        expect [effects { r RESTORE a 1 $d ABSTTL REPLACE }] {{DEL a}}
        expect [effects { r RESTORE a 1 $d ABSTTL REPLACE }] {}
    }

    test "XADD and XTRIM say which id, and how far" {
        r CONFIG SET stream-node-max-entries 3
        expect [lindex [effects { set id [r XADD s * f v] }] 0] [list XADD s $id f v]
        r DEL s
        expect_effects {
            XADD s 1-1 f v
            xadd s 1-* f v                      -> {xadd s 1-2 f v}
            XADD s 1-1 f v                      ->
            XADD nos NOMKSTREAM 1-1 f v         ->
            XADD s 2-* f * * v                  -> {XADD s 2-0 f * * v}
            XADD s 3 f v
            XADD s MAXLEN ~ 2 4 f v             -> {XADD s MAXLEN = 2 4 f v}
            XADD s MAXLEN 100 5 f v
            XADD s NOMKSTREAM MAXLEN = 3 6 f v
            XADD s MINID ~ 1 7 f v              -> {XADD s MINID = 3-0 7 f v}
            XTRIM s MAXLEN ~ 3                  ->
            XADD s 8 f v
            XADD s 9 f v
            XTRIM s MINID 6
            XTRIM s MAXLEN 3
            XTRIM s MAXLEN 3                    ->
            XDEL s 9 100
            XDEL s 9                            ->
            XSETID s 50
        }
    }

    test "an approximate trim with a LIMIT is an exact one without" -only cogwheel {
        r CONFIG SET stream-node-max-entries 2
        for {set i 1} {$i < 10} {incr i} { r XADD s $i f v }
        expect_effects {
            XADD s maxlen ~ 2 LIMIT 2 10 limit 5    -> {XADD s maxlen = 8 10 limit 5}
            XTRIM s LIMIT 2 MINID ~ 100             -> {XTRIM s MINID = 5-0}
            XTRIM s MINID ~ 100 LIMIT 1             ->
            XTRIM s MAXLEN ~ 0 limit 0              -> {XTRIM s MAXLEN = 0}
        }
        for {set i 11} {$i < 13} {incr i} { r XADD s $i f v }
        set most 18446744073709551615
        expect [effects { r XTRIM s MINID ~ 100 }] [list [list XTRIM s MINID = $most-$most]]
        expect [r XLEN s] 0
    }

    test "claims of a group" {
        for {set i 1} {$i < 5} {incr i} { r XADD s $i f v }
        r XGROUP CREATE s g 0
        r XREADGROUP GROUP g a STREAMS s >
        set end {FORCE JUSTID LASTID 4-0}
        expect_effects [subst -nocommands {
            XGROUP CREATECONSUMER s g b
            XGROUP CREATECONSUMER s g b      ->
            XACK s g 2 100
            XACK s g 2                       ->
            XCLAIM s g c 0 1 100 2 -> {XCLAIM s g c 0 1 TIME T RETRYCOUNT 2 $end}
            XCLAIM s g c 0 3 JUSTID          -> {XCLAIM s g c 0 3 TIME T RETRYCOUNT 1 $end}
            XCLAIM s g c 0 4 TIME 5 RETRYCOUNT 9 -> {XCLAIM s g c 0 4 TIME 5 RETRYCOUNT 9 $end}
            XCLAIM s g d 100000 1            ->
            XAUTOCLAIM s g d 0 3 COUNT 1     -> {XCLAIM s g d 0 3-0 TIME T RETRYCOUNT 2 $end}
            XDEL s 3
            XAUTOCLAIM s g e 100000 0 COUNT 1 -> {XCLAIM s g d 0 3-0 TIME T RETRYCOUNT 2 $end}
        }]
    }

    test "what a group delivers" {
        for {set i 1} {$i < 5} {incr i} { r XADD s $i f v }
        set claim {XCLAIM s g a 0 $id TIME T RETRYCOUNT 1 FORCE JUSTID LASTID $id}
        expect_effects {
            XGROUP CREATE s g 0 ENTRIESREAD 0
            XGROUP CREATE s g 0              ->
            XGROUP CREATE t g $ MKSTREAM
            XGROUP SETID t g 0
            XREADGROUP GROUP g a STREAMS t > ->
            XREADGROUP GROUP n a STREAMS s > ->
        }
        set id 1-0
        set got [effects { r XREADGROUP GROUP g a COUNT 1 STREAMS s > }]
        # Stock forgets how many entries the group has read.
        if {$stock} {
            expect $got [list [subst $claim]]
        } else {
            expect $got [list MULTI [subst $claim] {XGROUP SETID s g 1-0 ENTRIESREAD 1} EXEC]
        }
        set noack {XREADGROUP GROUP g a NOACK COUNT 1 STREAMS s >}
        expect [effects { r {*}$noack }] {{XGROUP SETID s g 2-0 ENTRIESREAD 2}}
        expect [effects { r {*}[lreplace $noack 3 3 new] }] \
            {MULTI {XGROUP CREATECONSUMER s g new} {XGROUP SETID s g 3-0 ENTRIESREAD 3} EXEC}
        expect [effects { r XCLAIM s g a 0 100 LASTID 50 }] {{XGROUP SETID s g 50-0 ENTRIESREAD 3}}
        expect [effects { r XGROUP DELCONSUMER s g new }] {{XGROUP DELCONSUMER s g new}}
        expect [effects { r XGROUP DELCONSUMER s g new }] {}
        expect [effects { r XGROUP DESTROY s g }] {{XGROUP DESTROY s g}}
        expect [effects { r XGROUP DESTROY s g }] {}
    }

    test "what reading a consumer's history does" -only cogwheel {
        r XADD s 1 f v
        r XADD s 2 f v
        r XGROUP CREATE s g 0
        r XREADGROUP GROUP g a STREAMS s >
        set again {XCLAIM s g a 0 $id-0 TIME T RETRYCOUNT 2 FORCE JUSTID LASTID 2-0}
        set want MULTI
        foreach id {1 2} { lappend want [subst $again] }
        expect [effects { r XREADGROUP GROUP g a STREAMS s 0 }] [concat $want EXEC]
        expect [effects { r XREADGROUP GROUP g new STREAMS s 0 }] {{XGROUP CREATECONSUMER s g new}}
        expect [effects { r XREADGROUP GROUP g new STREAMS s 0 }] {}
        expect [effects { r XREADGROUP GROUP g a STREAMS s 100 }] {}
    }

    test "a database is named where it changes" {
        effects {}
        r SELECT 1
        r SET k v
        r SET k w
        r SELECT 0
        r GET k
        r SELECT 2
        r MOVE k 3
        r SELECT 3
        r MULTI
        r SET k v
        r SELECT 4
        r SET k v
        r EXEC
        r SET k w
        r FLUSHALL
        set got [commands_of [taken]]
        expect [lrange $got 0 3] {{SELECT 1} {SET k v} {SET k w} {SELECT 3}}
        expect [lrange $got 4 end] \
            {MULTI {SET k v} {SELECT 4} {SET k v} EXEC {SET k w} FLUSHALL}
        r SELECT 0
    }

    test "databases as a whole" {
        expect_effects {
            FLUSHALL
            flushdb ASYNC
            FLUSHALL nonsense     ->
            SET k v
            SWAPDB 0 1
            SWAPDB 0 0
            SWAPDB 0 99           ->
            FLUSHALL SYNC
            PUBLISH c m           ->
            MOVE k 1              ->
        }
    }

    test "a transaction is framed if it has more than one effect" {
        expect [effects { r MULTI; r EXEC }] {}
        expect [effects { r MULTI; r GET k; r SET k v NX; r SET k v NX; r EXEC }] {{SET k v NX}}
        expect [effects { r MULTI; r SET k v; r INCR k; r EXPIRE k 100; r DEL n; r EXEC }] \
            {MULTI {SET k v} {PEXPIREAT k T} EXEC}
        expect [effects { r MULTI; r SET k v; r DISCARD }] {}
        expect [effects {
            r WATCH k
            r SET k w
            r MULTI
            r SET k v
            r EXEC
        }] {{SET k w}}
        expect [effects {
            r MULTI
            catch { r NOSUCH }
            r SET k v
            catch { r EXEC }
        }] {}
        expect [effects { r MULTI; r PUBLISH c m; r SET k v; r EXEC }] {{SET k v}}
        r SADD s a
        expect [effects { r MULTI; r SPOP s; r FLUSHALL; r SPOP s; r EXEC }] \
            {MULTI {SREM s a} FLUSHALL EXEC}
    }

    test "who waits is served after, and on its own" {
        set a [waiting BLPOP l m 0]
        set b [waiting BLMOVE l other right left 0]
        expect [effects { r RPUSH l 1 2 3 }] {{RPUSH l 1 2 3} {LPOP l} {LMOVE l other right left}}
        r DEL l
        set a [waiting BLMPOP 0 2 l m RIGHT COUNT 10]
        expect [effects { r MULTI; r RPUSH m 1 2; r RPUSH m 3; r EXEC }] \
            {MULTI {RPUSH m 1 2} {RPUSH m 3} EXEC {RPOP m 3}}
        set a [waiting BZPOPMAX z 0]
        set b [waiting BZMPOP 0 1 z MIN COUNT 10]
        expect [effects { r ZADD z 1 a 2 b 3 c }] {{ZADD z 1 a 2 b 3 c} {ZPOPMAX z} {ZPOPMIN z 2}}
        r XGROUP CREATE s g $ MKSTREAM ENTRIESREAD 0
        set a [waiting XREADGROUP GROUP g a NOACK BLOCK 0 STREAMS s >]
        set b [waiting XREAD BLOCK 0 STREAMS s $]
        set got [effects { r XADD s 1 f v }]
        expect [lrange $got 0 2] {{XADD s 1 f v} MULTI {XGROUP CREATECONSUMER s g a}}
        expect [lrange $got 3 end] {{XGROUP SETID s g 1-0 ENTRIESREAD 1} EXEC}
        await_blocked 0
        set a [waiting BLPOP nolist 0]
        set id [lindex [regexp -inline {id=(\d+) [^\n]*cmd=blpop} [r CLIENT LIST]] 1]
        expect [effects { r CLIENT UNBLOCK $id }] {}
    }

    test "keys that have expired are deletions" {
        r MSET a v b v c v d v e v f v
        r SADD s x y
        expire_all a b c d e f s
        expect [effects { r GET a }] {{DEL a}}
        expect [effects { r GET a }] {}
        expect [effects { r SET b v }] {MULTI {DEL b} {SET b v} EXEC}
        expect [effects { r EXISTS c d }] {MULTI {DEL c} {DEL d} EXEC}
        expect [effects { r MULTI; r GET e; r INCR f; r EXEC }] \
            {MULTI {DEL e} {DEL f} {INCR f} EXEC}
        expect [effects { catch { r RENAME s t } }] {{DEL s}}
        r MSET a v b v
        with_config {lazyfree-lazy-expire yes} {
            expire_all a
            expect [effects { r TTL a }] {{UNLINK a}}
            expect [effects { r EXPIRE b 0 }] {{UNLINK b}}
        }
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "active expiry's deletions stand alone" {
        r MSET a v b v c v
        set got [effects {
            foreach key {a b c} { r PEXPIRE $key 1 }
            wait_for {[r DBSIZE] == 0}
        }]
        foreach words $got {
            if {[lindex $words 0] eq "DEL"} { lappend gone [lindex $words 1] }
        }
        expect_set $gone {a b c}
        expect_true {"MULTI" ni $got}
    }

    test "so do those of SCAN" {
        r MSET a v b v c v
        expire_all a b c
        set got [effects { r SCAN 0 COUNT 1000 }]
        expect_set $got {{DEL a} {DEL b} {DEL c}}
        r MSET a v b v c v
        expire_all a b c
        set got [effects { r MULTI; r SCAN 0 COUNT 1000; r SET x v; r EXEC }]
        expect_set [lrange $got 1 3] {{DEL a} {DEL b} {DEL c}}
        expect [lreplace $got 1 3] {MULTI {SET x v} EXEC}
        expire_all x
        expect [effects { r RANDOMKEY }] {{DEL x}}
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "evicted keys are deletions" {
        r SET large [string repeat x 2000000]
        foreach {lazy word} {no DEL yes UNLINK} {
            with_config [list lazyfree-lazy-eviction $lazy maxmemory-policy allkeys-random] {
                set got [effects {
                    r CONFIG SET maxmemory 1
                    catch { r SET other v }
                    r CONFIG SET maxmemory 0
                }]
            }
            expect $got [list [list $word large]]
            r SET large v
        }
    }

    test "DEBUG EFFECTS" -only cogwheel {
        expect_error "ERR syntax error" { r DEBUG EFFECTS nosuch }
        expect_error "*subcommand*" { r DEBUG EFFECTS }
        expect_error "*subcommand*" { r DEBUG EFFECTS ON OFF }
        r DEBUG EFFECTS ON
        r SET k v
        r DEBUG EFFECTS OFF
        expect_error "ERR DEBUG EFFECTS is off" { r DEBUG EFFECTS TAKE }
        r SET k w
        r DEBUG EFFECTS ON
        expect [r DEBUG EFFECTS TAKE] ""
        r SELECT 3
        r SET k v
        expect [commands_of [r DEBUG EFFECTS TAKE]] {{SELECT 3} {SET k v}}
        r SELECT 0
        r DEBUG EFFECTS OFF
    }
}
