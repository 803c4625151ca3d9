# SPDX-License-Identifier: BSD-3-Clause
#
# Hashes: each command in both encodings, hostile numbers, encodings at the limits. `in_both` runs
# its body once with a listpack and once with a table.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_int "ERR value is not an integer or out of range"
set max_i64 9223372036854775807
set min_i64 -9223372036854775808

proc in_both {body} {
    foreach {entries enc} {512 listpack 0 hashtable} {
        with_config [list hash-max-listpack-entries $entries] {
            r FLUSHALL
            uplevel 1 [list set enc $enc]
            uplevel 1 $body
        }
    }
}

# Fields f0 … with values v0 …
proc fill {key count} {
    set pairs {}
    for {set i 0} {$i < $count} {incr i} { lappend pairs f$i v$i }
    r HSET $key {*}$pairs
}

with_server {} {
    test "HSET, HGET, HDEL, HLEN" -resp {2 3} {
        in_both {
            expect [rt HSET h a 1 b two c ""] {int 3}
            expect [r OBJECT ENCODING h] $enc
            expect [r HSET h a 2 d 4] 1
            expect [r HGET h a] 2
            expect [rt HGET h c] {bulk {}}
            expect [r HGET h none] (nil)
            expect [r HGET none f] (nil)
            expect [r HLEN h] 4
            expect [r HLEN none] 0
            expect [r HDEL h a none b b] 2
            expect [r HLEN h] 2
            expect [r HDEL none a] 0
            expect [r HDEL h c d x] 2
            expect [r EXISTS h] 0
            expect [r HSET h f 1 f 2 f 3] 1
            expect [r HGET h f] 3
        }
    }

    test "fields and values of every length" {
        in_both {
            foreach size {0 1 10 62 63 64 65 126 127 128 129 255 256 4095 4096 5000 70000 2000000} {
                set text [string range [string repeat "0123456789ab\0\xff\r\n" \
                    [expr {$size / 16 + 1}]] 0 $size-1]
                r HSET h $text $size field $text
                if {[r HGET h $text] ne $size} { expect "field of $size" "" }
                if {[r HGET h field] ne $text} { expect "value of $size" "" }
                expect [r HSTRLEN h field] $size
                expect [r HEXISTS h $text] 1
            }
            expect [r HLEN h] 19
        }
    }

    test "random changes" {
        in_both {
            unset -nocomplain model
            array set model {}
            for {set i 0} {$i < 1500} {incr i} {
                set field [rand_pick {f 1 -1 9223372036854775807 field "" 01}][rand_int 30]
                switch [rand_int 4] {
                    0 {
                        expect [r HDEL h $field] [info exists model($field)]
                        unset -nocomplain model($field)
                    }
                    1 { expect [r HEXISTS h $field] [info exists model($field)] }
                    default {
                        set value [string repeat [rand_int 10] [rand_int 50]]
                        expect [r HSET h $field $value] [expr {![info exists model($field)]}]
                        set model($field) $value
                    }
                }
            }
            expect_map [r HGETALL h] [array get model]
            expect [r HLEN h] [array size model]
            set fields [lrange [array names model] 0 50]
            expect [r HMGET h {*}$fields] [lmap field $fields { set model($field) }]
        }
    }

    test "HMSET, HMGET, HSETNX" {
        in_both {
            expect [r HMSET h a 1 b 2] OK
            expect [r HMGET h a x b a] {1 (nil) 2 1}
            expect [r HMGET none a b] {(nil) (nil)}
            expect [r HSETNX h a 9] 0
            expect [r HSETNX h c 9] 1
            expect [r HSETNX new f v] 1
            expect [r HMGET h a c] {1 9}
        }
    }

    test "HGETALL, HKEYS, HVALS" -resp {2 3} {
        in_both {
            fill h 3
            expect_map [r HGETALL h] {f0 v0 f1 v1 f2 v2}
            expect_set [r HKEYS h] {f0 f1 f2}
            expect_set [r HVALS h] {v0 v1 v2}
            expect [r HGETALL none] {}
            expect [r HKEYS none] {}
            expect [r HVALS none] {}
        }
        r HSET one f v
        if {[resp] == 3} {
            expect [rt HGETALL one] {map {{bulk f} {bulk v}}}
            expect [rt HGETALL none] {map {}}
        } else {
            expect [rt HGETALL one] {array {{bulk f} {bulk v}}}
        }
        expect [rt HKEYS one] {array {{bulk f}}}
    }

    test "a listpack keeps the order of insertion" {
        r HSET h c 1 a 2 b 3
        r HSET h a 4
        expect [r HGETALL h] {c 1 a 4 b 3}
        r HDEL h c
        r HSET h c 5
        expect [r HKEYS h] {a b c}
    }

    test "HINCRBY" -resp {2 3} {
        in_both {
            expect [rt HINCRBY h n 5] {int 5}
            expect [r HINCRBY h n -7] -2
            expect [r HGET h n] -2
            expect_error "ERR increment or decrement would overflow" {r HINCRBY h n $::min_i64}
            expect [r HINCRBY h n $::max_i64] 9223372036854775805
        }
    }

    test "HINCRBY with bad values" {
        in_both {
            r HSET h max $::max_i64 min $::min_i64
            expect_error "ERR increment or decrement would overflow" {r HINCRBY h max 1}
            expect_error "ERR increment or decrement would overflow" {r HINCRBY h min -1}
            foreach value {"" a " 1" 1.5 01 9223372036854775808} {
                r HSET h f $value
                expect_error "ERR hash value is not an integer" {r HINCRBY h f 1}
                expect_error $::not_int {r HINCRBY h f $value}
                expect_error $::not_int {r HINCRBY none f $value}
            }
            expect [r EXISTS none] 0
        }
    }

    test "HINCRBYFLOAT" -resp {2 3} {
        in_both {
            expect [rt HINCRBYFLOAT h f 0.1] {bulk 0.1}
            expect [r HINCRBYFLOAT h f 0.2] 0.3
            expect [r HINCRBYFLOAT h f 1e15] 1000000000000000.29998779296875
            r HSET h i 5
            expect [r HINCRBYFLOAT h i 2] 7
            expect [r HINCRBY h i 2] 9
            expect [string length [r HINCRBYFLOAT h big 1e4932]] 4933
        }
    }

    test "HINCRBYFLOAT with bad values" {
        in_both {
            r HSET h f 1 inf inf
            foreach by {inf -inf} {
                expect_error "ERR value is NaN or Infinity" {r HINCRBYFLOAT h f $by}
            }
            foreach by {nan "" a " 1" 1e5000} {
                expect_error "ERR value is not a valid float" {r HINCRBYFLOAT h f $by}
            }
            expect_error "ERR increment would produce NaN or Infinity" {r HINCRBYFLOAT h inf 1}
            foreach value {"" a " 1" nan 1x} {
                r HSET h f $value
                expect_error "ERR hash value is not a float" {r HINCRBYFLOAT h f 1}
            }
            expect_error "ERR value is not a valid float" {r HINCRBYFLOAT none f x}
            expect [r EXISTS none] 0
        }
    }

    test "HRANDFIELD" {
        in_both {
            fill h 20
            set fields [r HKEYS h]
            expect_true {[r HRANDFIELD h] in $fields}
            expect [r HRANDFIELD none] (nil)
            expect [r HRANDFIELD none 5] {}
            expect [r HRANDFIELD none -5 WITHVALUES] {}
            expect [r HRANDFIELD h 0] {}
            foreach count {1 2 5 6 7 10 15 19 20 21 1000 9223372036854775807} {
                set got [r HRANDFIELD h $count]
                expect [llength $got] [expr {min($count, 20)}]
                expect [llength [lsort -unique $got]] [llength $got]
                foreach field $got { expect_true {$field in $fields} }
                foreach {field value} [r HRANDFIELD h [expr {min($count, 5000)}] WITHVALUES] {
                    expect $value v[string range $field 1 end]
                }
            }
            foreach count {-1 -2 -10 -20 -50 -5000} {
                set got [r HRANDFIELD h $count]
                expect [llength $got] [expr {-$count}]
                foreach field $got { expect_true {$field in $fields} }
                foreach {field value} [r HRANDFIELD h $count WITHVALUES] {
                    expect $value v[string range $field 1 end]
                }
            }
        }
    }

    test "HRANDFIELD reaches every field" {
        in_both {
            fill h 10
            foreach call {{} 1 3 8 -1 -3} {
                unset -nocomplain seen
                for {set i 0} {$i < 1000 && [array size seen] < 10} {incr i} {
                    foreach field [r HRANDFIELD h {*}$call] { set seen($field) 1 }
                }
                expect [array size seen] 10
            }
        }
    }

    test "HRANDFIELD nests pairs in RESP3" -resp {2 3} {
        in_both {
            r HSET h f v
            set pair {{bulk f} {bulk v}}
            if {[resp] == 3} {
                expect [rt HRANDFIELD h 1 WITHVALUES] [list array [list [list array $pair]]]
                expect [rt HRANDFIELD h -2 withvalues] \
                    [list array [list [list array $pair] [list array $pair]]]
                expect [rt HRANDFIELD none] null
            } else {
                expect [rt HRANDFIELD h 1 WITHVALUES] [list array $pair]
                expect [rt HRANDFIELD h -2 withvalues] [list array [concat $pair $pair]]
                expect [rt HRANDFIELD none] null_bulk
            }
            expect [rt HRANDFIELD h 1] {array {{bulk f}}}
            expect [rt HRANDFIELD none 1 WITHVALUES] {array {}}
        }
    }

    test "HRANDFIELD with counts out of range" {
        fill h 3
        expect_error $::not_int {r HRANDFIELD h x}
        expect_error $::not_int {r HRANDFIELD h 9223372036854775808}
        expect_error "ERR value is out of range, value must between -9223372036854775807 and\
            9223372036854775807" {r HRANDFIELD h $::min_i64}
        foreach count [list $::max_i64 4611686018427387904 -4611686018427387904] {
            expect_error "ERR value is out of range" {r HRANDFIELD h $count WITHVALUES}
        }
        expect [llength [r HRANDFIELD h 4611686018427387903 WITHVALUES]] 6
        expect_error "ERR syntax error" {r HRANDFIELD h 1 FOO}
        expect_error "ERR syntax error" {r HRANDFIELD h 1 WITHVALUES FOO}
        expect_error $::not_int {r HRANDFIELD h WITHVALUES}
    }

    test "more repetitions than any reply may have" -only cogwheel {
        fill h 3
        foreach count {-9223372036854775807 -4611686018427387903 -1000000000000 -16777217} {
            expect_error "ERR value is out of range" {r HRANDFIELD h $count}
            expect_error "ERR value is out of range" {r HRANDFIELD h $count WITHVALUES}
            expect [r HRANDFIELD none $count] {}
        }
    }

    test "HSCAN" {
        in_both {
            fill h 300
            foreach count {1 10 100 1000} {
                unset -nocomplain seen
                set cursor 0
                while 1 {
                    lassign [r HSCAN h $cursor COUNT $count] cursor elements
                    foreach {field value} $elements {
                        expect $value v[string range $field 1 end]
                        set seen($field) 1
                    }
                    if {$cursor == 0} break
                }
                expect [array size seen] 300
            }
        }
    }

    test "HSCAN's options" -resp {2 3} {
        in_both {
            expect [rt HSCAN none 0] {array {{bulk 0} {array {}}}}
            r HSET h f1 a f2 b g1 c
            expect [lindex [r HSCAN h 0] 0] 0
            expect_map [lindex [r HSCAN h 0] 1] {f1 a f2 b g1 c}
            expect_map [lindex [r HSCAN h 0 MATCH f*] 1] {f1 a f2 b}
            expect_map [lindex [r HSCAN h 0 COUNT 100 MATCH *1] 1] {f1 a g1 c}
            expect_map [lindex [r HSCAN h 0 match f?] 1] {f1 a f2 b}
            expect [lindex [r HSCAN h 0 MATCH nothing] 1] {}
        }
        foreach words {{COUNT 0} {COUNT -1} MATCH COUNT FOO {FOO 1} {TYPE string} {MATCH a COUNT}} {
            expect_error "ERR syntax error" {r HSCAN h 0 {*}$words}
        }
        expect_error $::not_int {r HSCAN h 0 COUNT x}
        foreach cursor {x 1x 18446744073709551616 " 1"} {
            expect_error "ERR invalid cursor" {r HSCAN h $cursor}
            expect_error "ERR invalid cursor" {r HSCAN none $cursor}
        }
        expect [r HSCAN none 0 FOO] {0 {}}
        expect [lindex [r HSCAN h 18446744073709551615] 0] 0
    }

    test "encodings at the limits" {
        fill h 512
        expect [r OBJECT ENCODING h] listpack
        r HSET h f0 other
        expect [r OBJECT ENCODING h] listpack
        r HSET h more 1
        expect [r OBJECT ENCODING h] hashtable
        expect [r HLEN h] 513
        expect [r HGET h f511] v511
        for {set i 0} {$i < 512} {incr i} { r HDEL h f$i }
        expect [r OBJECT ENCODING h] hashtable

        set long [string repeat a 64]
        r HSET short $long $long
        expect [r OBJECT ENCODING short] listpack
        foreach request {{HSET short f ${long}b} {HSETNX new f ${long}b} {HSET new2 ${long}b 1}
                         {HMSET new3 a b c ${long}b}} {
            r {*}[subst $request]
            expect [r OBJECT ENCODING [lindex $request 1]] hashtable
        }
        expect [r HGET short $long] $long
    }

    test "encodings with other limits" {
        with_config {hash-max-listpack-entries 2 hash-max-listpack-value 3} {
            foreach {name requests enc} {
                same {{HSET same f 1 f 2 f 3}} listpack
                over {{HSET over f 1 g 2 h 3}} hashtable
                value {{HSET value f 1 f 1234}} hashtable
                exists {{HSET exists f 1} {HSETNX exists f 1234}} listpack
                sum {{HSET sum f 1} {HINCRBY sum f 999}} hashtable
                sums {{HSET sums f 1} {HINCRBYFLOAT sums f 0.25}} hashtable
                third {{HSET third f 1 g 1} {HINCRBY third h 1}} hashtable
                again {{HSET again f 1 g 1} {HDEL again f} {HSET again h 1}} listpack
            } {
                foreach request $requests { r {*}$request }
                expect [list $name [r OBJECT ENCODING $name]] [list $name $enc]
            }
        }
        r HSET low f 1
        with_config {hash-max-listpack-entries 0} {
            expect [r OBJECT ENCODING low] listpack
            r HSET low f 2
            expect [r OBJECT ENCODING low] hashtable
        }
    }

    test "digests don't depend on encoding or order" {
        r HSET h f v
        expect [r DEBUG DIGEST-VALUE h] 90c76e9e9f4c62d642a34fc97c7dad503b51f906
        r HSET h g w
        expect [r DEBUG DIGEST-VALUE h] d127864ed50239662bf61bafc9bda63c17da5b37
        with_config {hash-max-listpack-entries 0} {
            r HSET other g w f v
            expect [r OBJECT ENCODING other] hashtable
        }
        expect [r DEBUG DIGEST-VALUE other] d127864ed50239662bf61bafc9bda63c17da5b37
    }

    test "a large hash grows, is read and shrinks" {
        for {set i 0} {$i < 20000} {incr i 100} {
            set pairs {}
            for {set k $i} {$k < $i + 100} {incr k} { lappend pairs field:$k [expr {$k * 7}] }
            expect [r HSET h {*}$pairs] 100
        }
        expect [r HLEN h] 20000
        set all [r HGETALL h]
        expect [llength $all] 40000
        foreach {field value} $all {
            if {$value != 7 * [string range $field 6 end]} { expect $field $value }
        }
        expect [llength [r HRANDFIELD h 5000]] 5000
        expect [llength [lsort -unique [r HRANDFIELD h 15000]]] 15000
        for {set i 0} {$i < 19990} {incr i} {
            client::send [default_client] HDEL h field:$i
        }
        for {set i 0} {$i < 19990} {incr i} {
            if {[client::receive [default_client]] != 1} { expect "field:$i wasn't there" "" }
        }
        expect [r HLEN h] 10
        expect [r HGET h field:19995] [expr {19995 * 7}]
    }

    test "a value of another type" {
        r SET s 1
        foreach request {
            {HSET s f v} {HMSET s f v} {HSETNX s f v} {HGET s f} {HMGET s f} {HGETALL s} {HKEYS s}
            {HVALS s} {HDEL s f} {HEXISTS s f} {HLEN s} {HSTRLEN s f} {HINCRBY s f 1}
            {HINCRBYFLOAT s f 1} {HRANDFIELD s} {HRANDFIELD s 1} {HSCAN s 0} {HSCAN s 0 FOO}
        } {
            expect_error $::wrongtype {r {*}$request}
        }
        expect_error $::not_int {r HINCRBY s f x}
        expect_error "ERR value is not a valid float" {r HINCRBYFLOAT s f x}
        expect_error "ERR invalid cursor" {r HSCAN s x}
        expect_error "ERR syntax error" {r HRANDFIELD s 1 FOO}
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            hset {h {h f} {h f v g}} hmset {h {h f} {h f v g}} hsetnx {{h f} {h f v x}}
            hget {h {h f g}} hmget {h} hgetall {{} {h x}} hkeys {{} {h x}} hvals {{} {h x}}
            hdel {h} hexists {h {h f g}} hlen {{} {h f}} hstrlen {h {h f g}}
            hincrby {{h f} {h f 1 2}} hincrbyfloat {{h f} {h f 1 2}} hrandfield {{}} hscan {h}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {HSET h a 1 b 2 c 3} 3 {HSET h a 1} 1 {HSETNX h a 1} 0 {HSETNX h d 1} 1
            {HINCRBY h a 1} 1 {HINCRBYFLOAT h a 1} 1 {HDEL h a x} 1 {HDEL h x} 0 {HGET h b} 0
            {HMSET h a 1 b 2} 2 {HDEL h a b c d} 4
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
