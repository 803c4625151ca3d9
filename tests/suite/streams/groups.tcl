# SPDX-License-Identifier: BSD-3-Clause
#
# Consumer groups: what is delivered, pending, acknowledged, claimed, and how far a group is behind.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set no_id "ERR Invalid stream ID specified as stream command argument"

proc fill {key count} {
    for {set i 1} {$i <= $count} {incr i} { r XADD $key $i-0 f $i }
}

proc ids_of {entries} {
    set ids {}
    foreach entry $entries { lappend ids [lindex $entry 0] }
    return $ids
}

# What a consumer of the group g of s gets; {} if nothing.
proc delivered {consumer args} {
    set reply [r XREADGROUP GROUP g $consumer {*}$args STREAMS s >]
    return [expr {$reply eq "(nil)" ? {} : [ids_of [lindex $reply 0 1]]}]
}

# XREADGROUP's reply as pairs of key and entries, whatever the protocol.
proc read_group {args} {
    set reply [r XREADGROUP {*}$args]
    if {[resp] == 2 || $reply eq "(nil)"} { return $reply }
    return [lmap {key entries} $reply { list $key $entries }]
}

# A field of the first group of s.
proc group_field {name} {
    dict get [lindex [r XINFO GROUPS s] 0] $name
}

# {id consumer deliveries} of all that is pending.
proc pending {} {
    set rows {}
    foreach row [r XPENDING s g - + 1000] {
        lappend rows [list [lindex $row 0] [lindex $row 1] [lindex $row 3]]
    }
    return $rows
}

with_server {} {
    test "delivery and acknowledgement" -resp {2 3} {
        fill s 5
        expect [r XGROUP CREATE s g 0] OK
        set part {{bulk s} {array {{array {{bulk 1-0} {array {{bulk f} {bulk 1}}}}}}}}
        expect [rt XREADGROUP GROUP g a COUNT 1 STREAMS s >] \
            [expr {[resp] == 2 ? "array {{array {$part}}}" : "map {$part}"}]
        expect [read_group GROUP g b COUNT 2 STREAMS s >] {{s {{2-0 {f 2}} {3-0 {f 3}}}}}
        expect [r XPENDING s g] {3 1-0 3-0 {{a 1} {b 2}}}
        expect [pending] {{1-0 a 1} {2-0 b 1} {3-0 b 1}}
        expect [read_group GROUP g b STREAMS s 2] {{s {{3-0 {f 3}}}}}
        expect [pending] {{1-0 a 1} {2-0 b 1} {3-0 b 2}}
        expect [r XACK s g 2-0 2-0 9-9] 1
        expect [read_group GROUP g b STREAMS s 0] {{s {{3-0 {f 3}}}}}
        expect [read_group GROUP g c STREAMS s 0] {{s {}}}
        expect [read_group GROUP g c NOACK STREAMS s >] {{s {{4-0 {f 4}} {5-0 {f 5}}}}}
        expect [read_group GROUP g c STREAMS s >] (nil)
        expect [r XACK s g 1-0 3-0 4-0] 2
        expect [rt XPENDING s g] [expr {[resp] == 2 ?
            {array {{int 0} null_bulk null_bulk null_array}} :
            {array {{int 0} null null null}}}]
    }

    test "XREADGROUP over several streams" {
        fill s 2
        r XADD t 1-1 f v
        r XGROUP CREATE s g $
        r XGROUP CREATE t g 0
        expect [read_group GROUP g a STREAMS s t > >] {{t {{1-1 {f v}}}}}
        expect [read_group GROUP g a STREAMS s t > 0] {{t {{1-1 {f v}}}}}
        expect [read_group GROUP g a STREAMS s t > >] (nil)
    }

    test "an entry that was removed" {
        fill s 3
        r XGROUP CREATE s g 0
        expect [delivered a] {1-0 2-0 3-0}
        r XDEL s 2-0
        expect [read_group GROUP g a STREAMS s 0] {{s {{1-0 {f 1}} {2-0 (nil)} {3-0 {f 3}}}}}
        expect [r XCLAIM s g b 0 2-0] {}
        expect [r XPENDING s g] {2 1-0 3-0 {{a 2}}}
        r XDEL s 1-0
        expect [r XAUTOCLAIM s g b 0 -] {0-0 {{3-0 {f 3}}} 1-0}
        expect [pending] {{3-0 b 3}}
    }

    test "XCLAIM" {
        fill s 5
        r XGROUP CREATE s g 0
        delivered a COUNT 3
        expect [r XCLAIM s g b 3600000 1-0] {}
        expect [r XCLAIM s g b 0 1-0 4-0] {{1-0 {f 1}}}
        expect [r XCLAIM s g b 0 2-0 JUSTID] 2-0
        expect [pending] {{1-0 b 2} {2-0 b 1} {3-0 a 1}}
        expect [r XCLAIM s g c 0 4-0 5-0 FORCE JUSTID RETRYCOUNT 7] {4-0 5-0}
        expect [lrange [pending] 3 end] {{4-0 c 7} {5-0 c 7}}
        expect [r XCLAIM s g c 0 3-0 TIME 1000 LASTID 9-9 JUSTID] 3-0
        expect [group_field last-delivered-id] 9-9
        expect [r XPENDING s g IDLE 3600000 - + 10 a] {}
        expect [lindex [r XPENDING s g IDLE 3600000 - + 10] 0 0] 3-0
        expect [r XCLAIM s g d 3600000 1-0 2-0 3-0 JUSTID] 3-0
        expect [r XCLAIM s g d 0 IDLE 5] {}
        foreach {words error} {
            {x 1-0} "Invalid min-idle-time argument for XCLAIM"
            {0 1-0 IDLE x} "Invalid IDLE option argument for XCLAIM"
            {0 1-0 TIME x} "Invalid TIME option argument for XCLAIM"
            {0 1-0 RETRYCOUNT x} "Invalid RETRYCOUNT option argument for XCLAIM"
            {0 1-0 x} "Unrecognized XCLAIM option 'x'"
        } {
            expect_error "ERR $error" [list r XCLAIM s g d {*}$words]
        }
        expect [r XCLAIM s g d 0 1-0 IDLE -9223372036854775808 JUSTID] 1-0
        expect [r XCLAIM s g d -9223372036854775808 1-0 TIME 9223372036854775807 JUSTID] 1-0
    }

    test "XAUTOCLAIM" {
        fill s 30
        r XGROUP CREATE s g 0
        delivered a
        expect [r XAUTOCLAIM s g b 3600000 0] {0-0 {} {}}
        expect [r XAUTOCLAIM s g b 0 0 COUNT 2] {3-0 {{1-0 {f 1}} {2-0 {f 2}}} {}}
        expect [r XAUTOCLAIM s g b 0 (2-0 COUNT 2 JUSTID] {5-0 {3-0 4-0} {}}
        expect [lrange [pending] 0 4] {{1-0 b 2} {2-0 b 2} {3-0 b 1} {4-0 b 1} {5-0 a 1}}
        expect [lindex [r XAUTOCLAIM s g b 3600000 0 COUNT 1] 0] 11-0
        expect [r XAUTOCLAIM s g b 0 30 JUSTID] {0-0 30-0 {}}
        foreach count {0 -1 x 9223372036854775807} {
            expect_error "ERR COUNT must be > 0" [list r XAUTOCLAIM s g b 0 0 COUNT $count]
        }
        expect_error $::no_id {r XAUTOCLAIM s g b 0 x}
        expect_error "ERR invalid start ID for the interval" \
            {r XAUTOCLAIM s g b 0 (18446744073709551615-18446744073709551615}
        for {set i 1} {$i <= 30} {incr i} { r XDEL s $i }
        expect [r XAUTOCLAIM s g b 0 0 COUNT 3] {4-0 {} {1-0 2-0 3-0}}
        expect [llength [lindex [r XAUTOCLAIM s g b 0 0] 2]] 27
    }

    test "XGROUP" {
        set no_key "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you\
            may want to use the MKSTREAM option to create an empty stream automatically."
        foreach call {{CREATE none g 0} {SETID none g 0} {DESTROY none g}
                      {CREATECONSUMER none g c} {DELCONSUMER none g c}} {
            expect_error $no_key [list r XGROUP {*}$call]
        }
        expect [r XGROUP CREATE s g $ MKSTREAM] OK
        expect [r XLEN s] 0
        expect_error "BUSYGROUP Consumer Group name already exists" {r XGROUP CREATE s g 0}
        expect_error $::no_id {r XGROUP CREATE s h x}
        expect_error "ERR value for ENTRIESREAD must be positive or -1" \
            {r XGROUP CREATE s h 0 ENTRIESREAD -2}
        foreach call {{SETID s h 0} {CREATECONSUMER s h c} {DELCONSUMER s h c}} {
            expect_error "NOGROUP No such consumer group 'h' for key name 's'" \
                [list r XGROUP {*}$call]
        }
        expect [r XGROUP CREATECONSUMER s g c] 1
        expect [r XGROUP CREATECONSUMER s g c] 0
        fill s 3
        expect [delivered c] {1-0 2-0 3-0}
        expect [r XGROUP DELCONSUMER s g c] 3
        expect [r XGROUP DELCONSUMER s g c] 0
        expect [r XPENDING s g] {0 (nil) (nil) (nil)}
        expect [r XGROUP SETID s g 1-0] OK
        expect [delivered c] {2-0 3-0}
        expect [r XGROUP DESTROY s g] 1
        expect [r XGROUP DESTROY s g] 0
        r SET str x
        foreach call {{CREATE str g 0} {SETID str g 0} {DESTROY str g} {CREATECONSUMER str g c}} {
            expect_error $::wrongtype [list r XGROUP {*}$call]
        }
        expect [llength [r XGROUP HELP]] 17
    }

    test "an entry is delivered again after SETID" {
        fill s 2
        r XGROUP CREATE s g 0
        delivered a
        r XGROUP SETID s g 0
        expect [delivered b] {1-0 2-0}
        expect [pending] {{1-0 b 1} {2-0 b 1}}
        expect [r XPENDING s g] {2 1-0 2-0 {{b 2}}}
    }

    test "lag" {
        fill s 5
        r XGROUP CREATE s g 0
        expect [list [group_field entries-read] [group_field lag]] {(nil) 5}
        delivered a COUNT 2
        expect [list [group_field entries-read] [group_field lag]] {2 3}
        r XDEL s 4-0
        expect [list [group_field entries-read] [group_field lag]] {2 (nil)}
        delivered a
        expect [list [group_field entries-read] [group_field lag]] {5 0}
        r XGROUP SETID s g 0 ENTRIESREAD 1
        expect [group_field entries-read] 1
        r XGROUP CREATE t g $ MKSTREAM
        expect [dict get [lindex [r XINFO GROUPS t] 0] lag] 0
    }

    test "XINFO" -resp {2 3} {
        fill s 2
        r XGROUP CREATE s g 0
        r XGROUP CREATE s f $
        delivered a
        expect [lmap group [r XINFO GROUPS s] { dict get $group name }] {f g}
        expect [lrange [lindex [r XINFO GROUPS s] 1] 0 7] \
            {name g consumers 1 pending 2 last-delivered-id 2-0}
        set consumer [lindex [r XINFO CONSUMERS s g] 0]
        expect [dict get $consumer name] a
        expect [dict get $consumer pending] 2
        expect_error "NOGROUP No such consumer group 'x' for key name 's'" {r XINFO CONSUMERS s x}
        set full [lindex [dict get [r XINFO STREAM s FULL COUNT 1] groups] 1]
        expect [dict get $full pel-count] 2
        expect [llength [dict get $full pending]] 1
        expect [lrange [lindex [dict get $full pending] 0] 0 1] {1-0 a}
        set consumer [lindex [dict get $full consumers] 0]
        expect [dict get $consumer pel-count] 2
        expect [lindex [dict get $consumer pending] 0 2] 1
    }

    test "errors" {
        fill s 1
        r XGROUP CREATE s g 0
        foreach {call key} {{XPENDING s x} s {XPENDING none g} none {XCLAIM s x c 0 1-0} s
                            {XAUTOCLAIM none g c 0 0} none} {
            set group [lindex $call 2]
            expect_error "NOGROUP No such key '$key' or consumer group '$group'" [list r {*}$call]
        }
        expect_error "NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP\
            option" \
            {r XREADGROUP GROUP x c STREAMS s >}
        expect_error "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must\
            be specified." \
            {r XREADGROUP COUNT 1 NOACK STREAMS s s >}
        expect_error "ERR Missing GROUP option for XREADGROUP" \
            {r XREADGROUP NOACK COUNT 1 STREAMS s >}
        expect_error "ERR The > ID can be specified only when calling XREADGROUP using the GROUP\
            <group> <consumer> option." \
            {r XREAD STREAMS s >}
        expect_error "ERR The NOACK option is only supported by XREADGROUP. You called XREAD\
            instead." \
            {r XREAD NOACK STREAMS s 0}
        expect_error "ERR syntax error" {r XPENDING s g - +}
        expect_error "ERR value is not an integer or out of range" {r XPENDING s g - + x}
        expect [r XPENDING s g - + -9223372036854775808] {}
        expect [r XPENDING s g IDLE -9223372036854775808 - + 9223372036854775807] {}
        expect [r XACK none g 1-0] 0
        expect [r XACK s none x] 0
        expect_error $::no_id {r XACK s g 1-0 x}
        r SET str x
        foreach call {{XACK str g 1-0} {XPENDING str g} {XCLAIM str g c 0 1-0}
                      {XAUTOCLAIM str g c 0 0} {XREADGROUP GROUP g c STREAMS str >}} {
            expect_error $::wrongtype [list r {*}$call]
        }
    }
}
