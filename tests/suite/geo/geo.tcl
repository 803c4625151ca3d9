# SPDX-License-Identifier: BSD-3-Clause
#
# Positions: GEOADD, GEOPOS, GEODIST, GEOHASH, and the searches.

tags quick

set wrongtype "WRONGTYPE Operation against a key holding the wrong kind of value"
set not_float "ERR value is not a valid float"
set bad_unit "ERR unsupported unit provided. please use M, KM, FT, MI"

proc sicily {key} {
    r GEOADD $key 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
}

with_server {} {
    test "GEOADD" {
        expect [sicily g] 2
        expect [sicily g] 0
        expect [r GEOADD g CH 13.4 38.1 Palermo 1 1 new] 2
        expect [r GEOADD g NX 2 2 new 3 3 newer] 1
        expect [r GEOADD g XX CH 2 2 new 4 4 newest] 1
        expect [r ZCARD g] 4
        expect [r ZSCORE g Catania] 3479447370796909
        expect [r TYPE g] zset
        expect [r GEOADD none XX 1 1 a] 0
        expect [r EXISTS none] 0
        foreach call {{NX XX 1 1 a} {CH 1 2} {1 1 a 2} {NX CH XX} {CH CH CH}} {
            expect_error "ERR syntax error" {r GEOADD g {*}$call}
        }
        expect_error "ERR invalid longitude,latitude pair 181.000000,1.000000" \
            {r GEOADD g 1 1 x 181 1 y}
        expect_error "ERR invalid longitude,latitude pair 1.000000,-85.060000" \
            {r GEOADD g 1 -85.06 x}
        foreach call {{nan nan} {x 1} {1 x} {"" 1}} {
            expect_error $::not_float {r GEOADD g {*}$call x}
        }
        expect [r ZSCORE g x] (nil)
    }

    test "GEOPOS, GEOHASH, GEODIST" {
        sicily g
        expect [r GEOPOS g Palermo none] \
            {{13.36138933897018433 38.11555639549629859} (nil)}
        expect [r GEOPOS none a] (nil)
        expect [r GEOPOS g] {}
        expect [r GEOHASH g Palermo Catania none] {sqc8b49rny0 sqdtr74hyu0 (nil)}
        foreach {unit want} {{} 166274.1516 m 166274.1516 km 166.2742 MI 103.3182 ft 545518.8700} {
            expect [r GEODIST g Palermo Catania {*}$unit] $want
        }
        expect [r GEODIST g Palermo none] (nil)
        expect [r GEODIST none a b] (nil)
        expect [r GEODIST g Palermo Palermo] 0.0000
        expect_error $::bad_unit {r GEODIST none a b yd}
        expect_error "ERR syntax error" {r GEODIST g a b m x}
    }

    test "positions in RESP3" -resp 3 {
        sicily g
        expect [rt GEOPOS g Catania none] [list array [list [list array \
            {{double 15.08726745843887329} {double 37.50266842333162032}}] null]]
        expect [rt GEODIST g Palermo Catania] {bulk 166274.1516}
    }

    test "scores that aren't positions" {
        r ZADD g inf inf -5 neg 1.5 frac 1e30 big
        expect [r GEOHASH g inf neg frac big] {00bh0hbj200 bp05b5048p0 00bh0hbj210 00bh0hbj200}
        expect [r GEODIST g inf neg] 18919844.5891
    }

    test "GEOSEARCH" {
        sicily g
        r GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2
        expect_set [r GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km] {Palermo Catania}
        expect [r GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC] {Catania Palermo}
        expect [r GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHDIST] \
            {{Catania 56.4413} {Palermo 190.4424} {edge2 279.7403} {edge1 279.7405}}
        expect [r GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 1] edge1
        expect [r GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km COUNT 2] {Catania Palermo}
        expect [llength [r GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3 ANY]] 3
        expect [r GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m WITHCOORD WITHHASH WITHDIST] \
            {{Palermo 0.0000 3479099956230698 {13.36138933897018433 38.11555639549629859}}}
        expect [r GEOSEARCH none FROMMEMBER x BYRADIUS 1 m] {}
    }

    test "GEORADIUS and GEORADIUSBYMEMBER" {
        sicily g
        expect [r GEORADIUS g 15 37 200 km DESC] {Palermo Catania}
        expect [r GEORADIUS_RO g 15 37 200 km ASC COUNT 1 WITHDIST] {{Catania 56.4413}}
        expect [r GEORADIUSBYMEMBER g Palermo 200 km ASC] {Palermo Catania}
        expect [r GEORADIUSBYMEMBER_RO g Palermo 100 km] Palermo
        expect [r GEORADIUS none 15 37 200 km] {}
        expect [r GEORADIUSBYMEMBER none x y z] {}
        expect_error "ERR could not decode requested zset member" \
            {r GEORADIUSBYMEMBER g none 200 km}
    }

    test "storing" {
        sicily g
        expect [r GEORADIUS g 15 37 200 km STORE d] 2
        expect [r ZSCORE d Catania] 3479447370796909
        expect [r GEORADIUS g 15 37 200 km STOREDIST d] 2
        expect_near [r ZSCORE d Catania] 56.4413 0.0001
        expect [r GEOSEARCHSTORE d g FROMMEMBER Palermo BYBOX 400 400 km] 2
        expect [r GEODIST d Palermo Catania] 166274.1516
        expect [r GEOSEARCHSTORE d g FROMMEMBER Palermo BYBOX 400 400 km COUNT 1 STOREDIST] 1
        expect [r ZRANGE d 0 -1 WITHSCORES] {Palermo 0}
        expect [r OBJECT ENCODING d] listpack
        expect [r GEOSEARCHSTORE d none FROMMEMBER x BYRADIUS 1 m] 0
        expect [r EXISTS d] 0
        expect [r GEORADIUS g 15 37 200 km STORE g] 2
        r SET s x
        expect [r GEORADIUS g 15 37 200 km STORE s] 2
        expect [r TYPE s] zset
        foreach option {WITHDIST WITHCOORD WITHHASH} {
            expect_error "ERR STORE option in GEORADIUS is not compatible with WITHDIST,\
                WITHHASH and WITHCOORD options" {r GEORADIUS g 15 37 1 km STORE d $option}
            expect_error "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and\
                WITHCOORD options" {r GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 m $option}
        }
    }

    test "errors of searches" {
        sicily g
        foreach {call error} {
            {FROMLONLAT 1 1 BYRADIUS x km} "ERR need numeric radius"
            {FROMLONLAT 1 1 BYRADIUS nan km} "ERR need numeric radius"
            {FROMLONLAT 1 1 BYRADIUS -1 km} "ERR radius cannot be negative"
            {FROMLONLAT 1 1 BYBOX x 1 km} "ERR need numeric width"
            {FROMLONLAT 1 1 BYBOX 1 x km} "ERR need numeric height"
            {FROMLONLAT 1 1 BYBOX 1 -1 km} "ERR height or width cannot be negative"
            {FROMLONLAT 1 99 BYBOX 1 1 km} "ERR invalid longitude,latitude pair 1.000000,99.000000"
            {FROMMEMBER none BYRADIUS 1 km} "ERR could not decode requested zset member"
            {FROMMEMBER Palermo BYRADIUS 1 km COUNT 0} "ERR COUNT must be > 0"
            {FROMMEMBER Palermo BYRADIUS 1 km COUNT x} "ERR value is not an integer or out of range"
            {FROMMEMBER Palermo BYRADIUS 1 km COUNT} "ERR syntax error"
            {FROMMEMBER Palermo BYRADIUS 1 km ANY} "ERR the ANY argument requires COUNT argument"
            {FROMMEMBER Palermo BYRADIUS 1 km STORE d} "ERR syntax error"
            {FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 km} "ERR syntax error"
            {FROMMEMBER Palermo BYRADIUS 1 km BYBOX 1 1 km} "ERR syntax error"
            {ASC ASC ASC ASC ASC}
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"
            {FROMMEMBER Palermo ASC ASC ASC}
                "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"
        } {
            expect_error $error {r GEOSEARCH g {*}$call}
        }
        expect_error $::bad_unit {r GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 yd}
        expect_error "ERR syntax error" {r GEORADIUS_RO g 1 1 1 km STORE d}
    }

    test "sizes beyond the earth" {
        sicily g
        foreach size {1e308 inf 40000000} {
            expect_set [r GEOSEARCH g FROMLONLAT 15 37 BYRADIUS $size km] {Palermo Catania}
            r GEORADIUS g 15 37 $size m
            r GEOSEARCH g FROMLONLAT 180 85.05112878 BYBOX $size $size km
        }
        expect [r PING] PONG
    }

    test "many members, as a look at each finds them" {
        for {set i 0} {$i < 1500} {incr i} {
            r GEOADD g [expr {rand() * 40 - 20}] [expr {rand() * 40 + 20}] m$i
        }
        expect [r OBJECT ENCODING g] skiplist
        foreach radius {30 300 900 2000} {
            set want {}
            r GEOADD g 1 41 center
            for {set i 0} {$i < 1500} {incr i} {
                if {[r GEODIST g center m$i km] <= $radius} { lappend want m$i }
            }
            r ZREM g center
            r GEOADD c 1 41 center
            lassign [lindex [r GEOPOS c center] 0] lon lat
            expect_set [r GEOSEARCH g FROMLONLAT $lon $lat BYRADIUS $radius km] $want
        }
    }

    test "a value of another type" {
        r SET s x
        foreach request {{GEOADD s 1 1 a} {GEOPOS s a} {GEOHASH s a} {GEODIST s a b}
                         {GEORADIUS s 1 x 1 km} {GEORADIUSBYMEMBER s a 1 km}
                         {GEOSEARCH s FROMMEMBER a BYRADIUS 1 km}
                         {GEOSEARCHSTORE d s FROMMEMBER a BYRADIUS 1 km}} {
            expect_error $::wrongtype {r {*}$request}
        }
    }

    test "a wrong number of arguments" {
        foreach {name calls} {
            geoadd {{g 1 1}} geopos {{}} geohash {{}} geodist {{g a}} georadius {{g 1 1 1}}
            georadius_ro {{g 1 1 1}} georadiusbymember {{g a 1}} georadiusbymember_ro {{g a 1}}
            geosearch {{g FROMMEMBER a BYRADIUS 1}} geosearchstore {{d g FROMMEMBER a BYRADIUS 1}}
        } {
            foreach call $calls {
                expect_error "ERR wrong number of arguments for '$name' command" \
                    {r $name {*}$call}
            }
        }
    }

    test "changes are counted as stock counts them" {
        foreach {request changes} {
            {GEOADD g 1 1 a 2 2 b} 2 {GEOADD g 1 1 a} 0 {GEOADD g 3 3 a} 1
            {GEORADIUS g 2 2 500 km STORE d} 2 {GEORADIUS g 90 2 1 km STORE d} 1
            {GEORADIUS g 90 2 1 km STORE d} 0 {GEOSEARCH g FROMMEMBER a BYRADIUS 500 km} 0
        } {
            set before [info_field rdb_changes_since_last_save]
            r {*}$request
            expect [list $request [expr {[info_field rdb_changes_since_last_save] - $before}]] \
                [list $request $changes]
        }
    }
}
