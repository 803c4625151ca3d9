# SPDX-License-Identifier: BSD-3-Clause
#
# Streams: entries and ids, ranges, trimming, what XINFO tells.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set no_id "ERR Invalid stream ID specified as stream command argument"
set too_small \
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
set max_id 18446744073709551615-18446744073709551615

# Entries 1-0, 2-0 … with a field f of the same number.
proc fill {key count} {
    for {set i 1} {$i <= $count} {incr i} { r XADD $key $i-0 f $i }
}

# The ids of a reply of entries.
proc ids_of {entries} {
    set ids {}
    foreach entry $entries { lappend ids [lindex $entry 0] }
    return $ids
}

# A field of XINFO STREAM.
proc field {key name} {
    dict get [r XINFO STREAM $key] $name
}

with_server {} {
    test "XADD, XLEN, XRANGE, XREVRANGE" -resp {2 3} {
        expect [rt XADD s 1-1 f v] {bulk 1-1}
        expect [r XADD s 1-2 f w g 5] 1-2
        expect [r XADD s 3 f -7 f ""] 3-0
        expect [rt XLEN s] {int 3}
        expect [r XLEN none] 0
        expect [rt XRANGE s - +] {array {{array {{bulk 1-1} {array {{bulk f} {bulk v}}}}}\
            {array {{bulk 1-2} {array {{bulk f} {bulk w} {bulk g} {bulk 5}}}}}\
            {array {{bulk 3-0} {array {{bulk f} {bulk -7} {bulk f} {bulk {}}}}}}}}
        expect [ids_of [r XREVRANGE s + -]] {3-0 1-2 1-1}
        expect [ids_of [r XRANGE s 1 1]] {1-1 1-2}
        expect [ids_of [r XRANGE s (1-1 + COUNT 1]] 1-2
        expect [ids_of [r XREVRANGE s (3-0 -]] {1-2 1-1}
        expect [ids_of [r XRANGE s 2 1]] {}
        expect [rt XRANGE none - +] {array {}}
        expect [rt XRANGE s - + COUNT 0] [expr {[resp] == 2 ? "null_array" : "null"}]
    }

    test "ids that the server chooses" {
        set a [r XADD s * f v]
        set b [r XADD s * f v]
        expect_match $a {[0-9]*-[0-9]*}
        expect [ids_of [r XRANGE s - +]] [list $a $b]
        expect [r XADD t 0-* f v] 0-1
        expect [r XADD t 0-* f v] 0-2
        expect [r XADD t 7-* f v] 7-0
        expect_error $::too_small [list r XADD t 6-* f v]
        expect [r XADD t 99999999999999-5 f v] 99999999999999-5
        expect [r XADD t * f v] 99999999999999-6
    }

    test "what is an id" {
        foreach id {"" x 1- -1 1-x 18446744073709551616 1-18446744073709551616 5-*x - + ( 1--1} {
            expect_error $::no_id [list r XADD s $id f v]
        }
        expect_error "ERR The ID specified in XADD must be greater than 0-0" {r XADD s 0 f v}
        expect [r XADD s " 7- 5" f v] 7-5
        expect [r XADD s +8-007 f v] 8-7
        expect_error $::too_small {r XADD s 8-7 f v}
        expect_error $::no_id {r XRANGE s (- +}
        expect_error "ERR invalid start ID for the interval" [list r XRANGE s ($::max_id +]
        expect_error "ERR invalid end ID for the interval" {r XRANGE s - (0-0}
    }

    test "the last id of all" {
        expect [r XADD s 5-18446744073709551615 f v] 5-18446744073709551615
        expect_error "ERR Elements are too large to be stored" {r XADD s 5-* f v}
        expect [r XADD s $::max_id f v] $::max_id
        foreach id {* 1-1 18446744073709551615-*} {
            expect_error "ERR The stream has exhausted the last possible ID, unable to add more\
                items" \
                [list r XADD s $id f v]
        }
        expect [ids_of [r XREVRANGE s + - COUNT 1]] $::max_id
        expect [r XREAD STREAMS s $::max_id] (nil)
        expect [r XDEL s $::max_id] 1
        expect [r XLEN s] 1
    }

    test "errors" {
        r SET str x
        foreach call {{XADD str 1-1 f v} {XLEN str} {XRANGE str - +} {XREVRANGE str + -}
                      {XDEL str 1-1} {XTRIM str MAXLEN 1} {XSETID str 1-1} {XREAD STREAMS str 0}
                      {XINFO STREAM str} {XINFO GROUPS str} {XINFO CONSUMERS str g}} {
            expect_error $::wrongtype [list r {*}$call]
        }
        foreach name {xadd xlen xrange xrevrange xdel xtrim xsetid xread xreadgroup xack} {
            expect_error "ERR wrong number of arguments for '$name' command" [list r $name]
        }
        foreach call {{XADD s 1-1 f} {XADD s 1-1 f v g} {XADD s NOMKSTREAM 1-1 f}} {
            expect_error "ERR wrong number of arguments for 'xadd' command" [list r {*}$call]
        }
        expect_error $::not_int {r XRANGE s - + COUNT x}
        expect_error "ERR syntax error" {r XRANGE s - + COUNT}
        expect_error "ERR The MAXLEN argument must be >= 0." {r XADD s MAXLEN -1 1-1 f v}
        expect_error "ERR The LIMIT argument must be >= 0." {r XADD s MAXLEN ~ 1 LIMIT -1 1-1 f v}
        expect_error "ERR syntax error, LIMIT cannot be used without the special ~ option" \
            {r XTRIM s MAXLEN 1 LIMIT 1}
        expect_error "ERR syntax error, LIMIT cannot be used without specifying a trimming\
            strategy" \
            {r XTRIM s LIMIT 1}
        expect_error "ERR syntax error, MAXLEN and MINID options at the same time are not\
            compatible" \
            {r XADD s MAXLEN 1 MINID 1 1-1 f v}
        expect [r EXISTS s] 0
        expect [r XADD s NOMKSTREAM 1-1 f v] (nil)
        expect [r EXISTS s] 0
    }

    test "blocks of a stream" {
        fill s 250
        expect [field s radix-tree-keys] 3
        expect [field s radix-tree-nodes] 8
        expect [ids_of [r XRANGE s 99 102]] {99-0 100-0 101-0 102-0}
        expect [ids_of [r XREVRANGE s 201 199]] {201-0 200-0 199-0}
        for {set i 101} {$i <= 200} {incr i} { r XDEL s $i }
        expect [field s radix-tree-keys] 2
        expect [ids_of [r XRANGE s 99 202]] {99-0 100-0 201-0 202-0}
        with_config {stream-node-max-entries 1} {
            r XADD s 300-0 f v
            r XADD s 301-0 f v
            expect [field s radix-tree-keys] 4
        }
        with_config {stream-node-max-bytes 10} {
            r XADD s 302-0 f v
            expect [field s radix-tree-keys] 5
        }
        with_config {stream-node-max-bytes 0 stream-node-max-entries 0} {
            r DEL s
            fill s 300
            expect [field s radix-tree-keys] 1
        }
    }

    test "values of every length" {
        foreach size {0 1 62 63 64 65 4095 4096 5000 70000 2000000} {
            set text [string repeat "\xff" $size]
            r XADD s * $text $text
            set entry [lindex [r XREVRANGE s + - COUNT 1] 0 1]
            if {$entry ne [list $text $text]} { expect "entry of $size" "" }
        }
        expect [r XLEN s] 11
    }

    test "XTRIM and XADD with a trim" {
        fill s 250
        expect [r XTRIM s MAXLEN ~ 120] 100
        expect [r XTRIM s MAXLEN ~ 120] 0
        expect [r XTRIM s MAXLEN = 120] 30
        expect [r XTRIM s MINID 150] 19
        expect [lindex [r XRANGE s - + COUNT 1] 0 0] 150-0
        expect [r XTRIM s MINID ~ 220] 51
        expect [r XTRIM s MINID ~ 240 LIMIT 5] 0
        expect [r XADD s MAXLEN 3 300-0 f v] 300-0
        expect [ids_of [r XRANGE s - +]] {249-0 250-0 300-0}
        expect [r XTRIM s MAXLEN 9223372036854775807] 0
        expect [r XTRIM s MAXLEN 0] 3
        expect [r XLEN s] 0
        expect [r EXISTS s] 1
        expect [r XTRIM none MAXLEN 0] 0
        expect_error $::too_small {r XADD s 250-0 f v}
    }

    test "XDEL" {
        fill s 3
        expect [r XDEL s 2-0 2-0 9-9] 1
        expect [ids_of [r XRANGE s - +]] {1-0 3-0}
        expect_error $::no_id {r XDEL s 1-0 x}
        expect [r XLEN s] 2
        expect [r XDEL none 1-0] 0
        expect [r XDEL s 1 3] 2
        expect [r TYPE s] stream
        expect [field s max-deleted-entry-id] 3-0
        expect [field s recorded-first-entry-id] 0-0
    }

    test "XSETID" {
        fill s 3
        expect_error "ERR no such key" {r XSETID none 1-1}
        expect_error "ERR The ID specified in XSETID is smaller than the target stream top item" \
            {r XSETID s 2-9}
        expect_error "ERR The entries_added specified in XSETID is smaller than the target stream\
            length" \
            {r XSETID s 9-9 ENTRIESADDED 2}
        expect_error "ERR entries_added must be positive" {r XSETID s 9-9 ENTRIESADDED -1}
        expect_error "ERR The ID specified in XSETID is smaller than the provided\
            max_deleted_entry_id" \
            {r XSETID s 9-9 MAXDELETEDID 10}
        expect [r XSETID s 9-9 ENTRIESADDED 50 MAXDELETEDID 2-1] OK
        expect [field s last-generated-id] 9-9
        expect [field s entries-added] 50
        expect [field s max-deleted-entry-id] 2-1
        expect_error $::too_small {r XADD s 9-9 f v}
        expect [r XADD s 9-10 f v] 9-10
    }

    test "XINFO STREAM" -resp {2 3} {
        r XADD s 1-1 f v
        r XADD s 1-2 f w
        set full [list length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 1-2 \
            max-deleted-entry-id 0-0 entries-added 2 recorded-first-entry-id 1-1]
        expect [r XINFO STREAM s] [concat $full [list groups 0 first-entry {1-1 {f v}} \
            last-entry {1-2 {f w}}]]
        expect [r XINFO STREAM s FULL COUNT 1] [concat $full {entries {{1-1 {f v}}} groups {}}]
        r XTRIM s MAXLEN 0
        expect [field s first-entry] (nil)
        expect_error "ERR no such key" {r XINFO STREAM none}
        expect_error "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO\
            HELP." \
            {r XINFO STREAM s FULL COUNT}
        expect_error "ERR unknown subcommand 'x'. Try XINFO HELP." {r XINFO x}
        expect [llength [r XINFO HELP]] 9
    }

    test "random changes" {
        with_config {stream-node-max-entries 5} {
            set ids {}
            for {set i 1} {$i < 1500} {incr i} {
                switch [rand_int 8] {
                    0 {
                        set id [rand_int $i]-0
                        set at [lsearch -exact $ids $id]
                        expect [r XDEL s $id] [expr {$at >= 0}]
                        if {$at >= 0} { set ids [lreplace $ids $at $at] }
                    }
                    1 {
                        if {[rand_int 20] == 0} {
                            set keep [rand_int 40]
                            set gone [expr {max(0, [llength $ids] - $keep)}]
                            expect [r XTRIM s MAXLEN $keep] $gone
                            set ids [lrange $ids $gone end]
                        }
                    }
                    default {
                        r XADD s $i-0 f [rand_int 100]
                        lappend ids $i-0
                    }
                }
            }
            expect [ids_of [r XRANGE s - +]] $ids
            expect [ids_of [r XREVRANGE s + -]] [lreverse $ids]
        }
    }
}
