# SPDX-License-Identifier: BSD-3-Clause
#
# CLIENT TRACKING's other modes: OPTIN, OPTOUT, NOLOOP, REDIRECT, BCAST; CACHING, TRACKINGINFO,
# GETREDIR; what is refused.

tags quick

proc heard {c} { client::transcript $c {} }

proc invalid {args} {
    set keys {}
    foreach key $args { lappend keys [list bulk $key] }
    list push [list {bulk invalidate} [list array $keys]]
}

# The same as a message of __redis__:invalidate.
proc published {args} {
    set keys {}
    foreach key $args { lappend keys [list bulk $key] }
    list array [list {bulk message} {bulk __redis__:invalidate} [list array $keys]]
}

proc tracker {args} {
    set c [client -resp 3]
    $c CLIENT TRACKING ON {*}$args
    return $c
}

# Which of the keys the client is told of when they change one by one.
proc told_of {c keys} {
    set told {}
    foreach key $keys {
        r SET $key 1
        if {[heard $c] eq [list [invalid $key]]} { lappend told $key }
    }
    return $told
}

with_server {} {
    test "OPTIN: what is read after CACHING YES, by one command or one EXEC" {
        set c [tracker OPTIN]
        client::transcript $c {{GET n} {CLIENT CACHING YES} {GET m} {GET o} {CLIENT CACHING YES} MULTI
            {GET p} {GET q} EXEC {GET s}}
        expect [told_of $c {n m o p q s}] {m p q}
        client::transcript $c {{CLIENT CACHING YES} {CLIENT ID} {GET m} {CLIENT CACHING YES} NOSUCH {GET n}
            {CLIENT CACHING YES} GET {GET o} {CLIENT CACHING YES} PING {GET t}
            MULTI {GET u} {CLIENT CACHING YES} {GET p} {GET q} EXEC {GET s}}
        expect [told_of $c {m n o t u p q s}] {m p q}
    }

    test "OPTOUT: all but what is read after CACHING NO" {
        set c [tracker OPTOUT]
        client::transcript $c {{GET n} {CLIENT CACHING NO} {GET m} {GET o} {CLIENT CACHING NO} MULTI {GET p}
            {GET q} EXEC {GET s}}
        expect [told_of $c {n m o p q s}] {n o s}
    }

    test "CACHING is kept through CLIENT's subcommands and through a change of options" {
        set c [tracker OPTIN]
        $c CLIENT CACHING YES
        expect [lindex [$c CLIENT TRACKINGINFO] 1] {on optin caching-yes}
        $c CLIENT TRACKING ON OPTIN NOLOOP
        expect [lindex [$c CLIENT TRACKINGINFO] 1] {on optin caching-yes noloop}
        $c PING
        expect [lindex [$c CLIENT TRACKINGINFO] 1] {on optin noloop}
    }

    test "NOLOOP: not of one's own changes" {
        set c [tracker NOLOOP]
        expect [client::transcript $c {{GET n} {SET n 1} PING}] {null {simple OK} {simple PONG}}
        r SET n 1
        expect [heard $c] {}
        $c GET n
        r SET n 1
        expect [heard $c] [list [invalid n]]
        set b [tracker BCAST NOLOOP]
        $b MSET x 1 y 1
        r SET z 1
        expect [client::next_push $b] [invalid z]
        $b SET x 1
        r MSET x 2 w 1
        expect [client::next_push $b] [invalid w x]
    }

    test "BCAST NOLOOP: a key that ran out is nobody's change" {
        r DEBUG SET-ACTIVE-EXPIRE 0
        set b [tracker BCAST NOLOOP]
        $b SET e 1 PX 1
        wait_for {[$b EXISTS e] == 0}
        expect [client::next_push $b] [invalid e]
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "REDIRECT to a RESP3 client, a RESP2 subscriber, and to one that can't be told" {
        set three [client -resp 3]
        set two [client]
        set deaf [client]
        set ids [lmap to [list $three $two $deaf] {$to CLIENT ID}]
        $two SUBSCRIBE __redis__:invalidate
        foreach to [list $three $two $deaf] id $ids resp {3 2 0} {
            set c [client]
            $c CLIENT TRACKING ON REDIRECT $id
            expect [$c CLIENT GETREDIR] $id
            $c GET a
            r SET a 1
            $c GET b
            $c SET b 2
            $c GET b
            r FLUSHALL
            if {$resp == 3} {
                expect [client::next_push $to] [invalid a]
                expect [client::next_push $to] [invalid b]
                # The null is in the words of the client that tracks.
                expect [client::next_push $to] {push {{bulk invalidate} null_bulk}}
            } elseif {$resp == 2} {
                expect [client::receive_typed $to] [published a]
                expect [client::receive_typed $to] [published b]
                expect [client::receive_typed $to] \
                    {array {{bulk message} {bulk __redis__:invalidate} null_bulk}}
            } else {
                expect [$to PING] PONG
            }
            $c CLIENT TRACKING OFF
            $c CLIENT TRACKING ON BCAST REDIRECT $id
            r MSET k2 1 k1 1
            if {$resp == 3} { expect [client::next_push $to] [invalid k1 k2] }
            if {$resp == 2} { expect [client::receive_typed $to] [published k1 k2] }
            if {$resp == 0} { expect [$to PING] PONG }
            client::close $c
            wait_for {[info_field tracking_clients] == 0}
        }
    }

    test "REDIRECT to itself, in either protocol" {
        set c [client -resp 3]
        $c CLIENT TRACKING ON REDIRECT [$c CLIENT ID]
        expect [client::transcript $c {{GET a} {SET a 1}}] [list null {simple OK} [invalid a]]
        set two [client]
        $two CLIENT TRACKING ON REDIRECT [$two CLIENT ID]
        $two GET a
        $two SUBSCRIBE anything
        r SET a 2
        expect [client::receive_typed $two] [published a]
    }

    test "a redirection whose end is gone" -resp {2 3} {
        set to [client -resp 3]
        set c [client -resp [resp]]
        set id [$to CLIENT ID]
        $c CLIENT TRACKING ON REDIRECT $id
        $c MGET a b
        client::close $to
        wait_for {[r CLIENT LIST ID $id] eq ""}
        expect [lindex [$c CLIENT TRACKINGINFO] 1] on
        set message [list push [list {bulk tracking-redir-broken} [list int $id]]]
        foreach key {a b} {
            r SET $key 1
            expect [heard $c] [expr {[resp] == 3 ? [list $message] : {}}]
        }
        expect [$c CLIENT TRACKINGINFO] [list flags {on broken_redirect} redirect $id prefixes {}]
        expect_match [$c CLIENT INFO] "* flags=tR *redir=$id *"
        $c CLIENT TRACKING ON
        expect [$c CLIENT TRACKINGINFO] {flags on redirect 0 prefixes {}}
    }

    test "BCAST: a turn's keys in one message, in order, a message for each prefix" {
        set b [tracker BCAST]
        expect [client::transcript $b {{SET z 1} {SET b 1} {SET a 1} {SET z 2} PING}] \
            {{simple OK} {simple OK} {simple OK} {simple OK} {simple PONG}}
        expect [client::next_push $b] [invalid a b z]
        set p [tracker BCAST PREFIX foo PREFIX bar]
        r MSET foo1 1 bar1 1 a 1 foo 1 fo 1
        expect [client::next_push $p] [invalid bar1]
        expect [client::next_push $p] [invalid foo foo1]
        r DEL fo nosuch foo1
        expect [client::next_push $p] [invalid foo1]
        client::close $p
        expect [client::next_push $b] [invalid a bar1 fo foo foo1]
        expect [client::next_push $b] [invalid fo foo1]
    }

    test "BCAST: prefixes of any bytes and length, shared by clients" {
        set long [string repeat "\0\r\n" 500]
        set a [tracker BCAST PREFIX $long PREFIX k]
        set b [tracker BCAST PREFIX k]
        set c [tracker BCAST]
        r SET ${long}x 1
        expect [client::next_push $a] [invalid ${long}x]
        r SET k 1
        foreach who [list $a $b] { expect [client::next_push $who] [invalid k] }
        expect [client::next_push $c] [invalid ${long}x]
        expect [client::next_push $c] [invalid k]
        expect [info_field tracking_total_prefixes] 3
        $a RESET
        expect [info_field tracking_total_prefixes] 2
        r SET k 2
        expect [client::next_push $b] [invalid k]
    }

    test "BCAST: random keys and prefixes against a model" {
        set prefixes {a b aa ab ba abc bb aab}
        set clients {}
        foreach prefix $prefixes { lappend clients [tracker BCAST PREFIX $prefix] }
        for {set round 0} {$round < 30} {incr round} {
            set keys {}
            for {set i 0} {$i < 12} {incr i} {
                set key ""
                while {[rand_int 4]} { append key [rand_pick {a b c}] }
                lappend keys $key
            }
            r MSET {*}[concat {*}[lmap key $keys {list $key $round}]]
            foreach prefix $prefixes c $clients {
                set want [lsort -unique [lmap key $keys {
                    if {![string equal -length [string length $prefix] $prefix $key]} continue
                    set key
                }]]
                if {[llength $want]} { expect [client::next_push $c] [invalid {*}$want] }
                expect [heard $c] {}
            }
        }
    }

    test "BCAST: very many prefixes take no time" -only cogwheel {
        set words {}
        for {set i 0} {$i < 30000} {incr i} { lappend words PREFIX [format p%07d $i] }
        set c [client -resp 3]
        set start [clock milliseconds]
        $c CLIENT TRACKING ON BCAST {*}$words
        expect [info_field tracking_total_prefixes] 30000
        expect_error "ERR Prefix 'q0000000' overlaps with another provided prefix 'q'.*" {
            $c CLIENT TRACKING ON BCAST {*}[string map {p q} $words] PREFIX q PREFIX q1
        }
        r SET p0029999x 1
        expect [client::next_push $c] [invalid p0029999x]
        client::close $c
        wait_for {[info_field tracking_total_prefixes] == 0}
        expect_true {[clock milliseconds] - $start < 3000 * $::suite::slow_factor}
    }

    # Stock says so and then OK, and takes the prefixes, unless it is the first of the request.
    test "random prefixes: the first that overlaps is named" -only cogwheel {
        set c [client]
        for {set round 0} {$round < 60} {incr round} {
            set names {}
            for {set i 0} {$i < 5} {incr i} {
                set name [rand_pick {a b c}]
                while {[rand_int 3]} { append name [rand_pick {a b c}] }
                lappend names $name
            }
            set has [lindex [$c CLIENT TRACKINGINFO] 5]
            set want OK
            foreach i {4 3 2 1 0} {
                set name [lindex $names $i]
                foreach {kind others} [list "another provided" [lrange $names $i+1 end] "an existing" $has] {
                    foreach other [lreverse $others] {
                        set len [expr {min([string length $name], [string length $other])}]
                        if {[string equal -length $len $name $other]} {
                            set want "-ERR Prefix '$name' overlaps with $kind prefix '$other'. Prefixes for a single client must not overlap."
                        }
                    }
                }
            }
            set words [concat {*}[lmap name $names {list PREFIX $name}]]
            expect [client::pipeline $c [list [list CLIENT TRACKING ON BCAST {*}$words]]] [list $want]
            if {$want eq "OK" && [rand_int 2]} { $c CLIENT TRACKING OFF }
        }
    }

    test "what TRACKING refuses" {
        set c [client]
        set id [$c CLIENT ID]
        set other "overlaps with another provided prefix"
        set existing "overlaps with an existing prefix"
        set never "Prefixes for a single client must not overlap."
        set caching "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
        set bcast "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
        set optmode "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
        foreach {words reply} [subst -nocommands {
            {TRACKING}                       {wrong number of arguments for 'client|tracking' command}
            {TRACKING x}                     {syntax error}
            {TRACKING on off}                {syntax error}
            {TRACKING x BCAST}               {syntax error}
            {TRACKING on REDIRECT}           {syntax error}
            {TRACKING on BCAST PREFIX}       {syntax error}
            {TRACKING on REDIRECT x}         {value is not an integer or out of range}
            {TRACKING on REDIRECT 0}         {The client ID you want redirect to does not exist}
            {TRACKING on REDIRECT -1}        {The client ID you want redirect to does not exist}
            {TRACKING off REDIRECT 99999}    {The client ID you want redirect to does not exist}
            {TRACKING on REDIRECT $id REDIRECT $id} {A client can only redirect to a single other client}
            {TRACKING on PREFIX a}           {PREFIX option requires BCAST mode to be enabled}
            {TRACKING on PREFIX a OPTIN OPTOUT} {PREFIX option requires BCAST mode to be enabled}
            {TRACKING on OPTIN OPTOUT}       {You can't specify both OPTIN mode and OPTOUT mode}
            {TRACKING on OPTIN OPTOUT BCAST} {OPTIN and OPTOUT are not compatible with BCAST}
            {TRACKING on BCAST OPTIN}        {OPTIN and OPTOUT are not compatible with BCAST}
            {TRACKING on BCAST PREFIX a PREFIX b PREFIX ab}
                {Prefix 'a' $other 'ab'. $never}
            {TRACKING on BCAST PREFIX a PREFIX a}
                {Prefix 'a' $other 'a'. $never}
            {CACHING}                        {wrong number of arguments for 'client|caching' command}
            {CACHING YES}                    {$caching}
            {CACHING x}                      {$caching}
            {TRACKING on OPTIN}              OK
            {TRACKING on OPTOUT}             {$optmode}
            {TRACKING on BCAST}              {$bcast}
            {CACHING NO}    {CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.}
            {CACHING x}                      {syntax error}
            {TRACKING on}                    OK
            {TRACKING on OPTOUT}             OK
            {CACHING YES}   {CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.}
            {TRACKING off PREFIX a OPTIN OPTOUT} OK
            {TRACKING off}                   OK
            {TRACKING on BCAST PREFIX foo PREFIX bar} OK
            {TRACKING on BCAST PREFIX foo}   {Prefix 'foo' $existing 'foo'. $never}
            {TRACKING on BCAST PREFIX fo}    {Prefix 'fo' $existing 'foo'. $never}
            {TRACKING on BCAST PREFIX foob}  {Prefix 'foob' $existing 'foo'. $never}
            {TRACKING on}                    {$bcast}
            {TRACKING on BCAST}              OK
            {TRACKING on BCAST PREFIX z}     {Prefix 'z' $existing ''. $never}
            {TRACKINGINFO x} {wrong number of arguments for 'client|trackinginfo' command}
            {GETREDIR x}     {wrong number of arguments for 'client|getredir' command}
        }] {
            set want [expr {$reply eq "OK" ? {simple OK} : [list error "ERR $reply"]}]
            expect "$words: [client::typed $c CLIENT {*}$words]" "$words: $want"
        }
    }

    test "TRACKINGINFO and GETREDIR" -resp {2 3} {
        set c [client -resp [resp]]
        set pairs [expr {[resp] == 3 ? "map" : "array"}]
        set flags [expr {[resp] == 3 ? "set" : "array"}]
        expect [client::typed $c CLIENT GETREDIR] {int -1}
        expect [client::typed $c CLIENT TRACKINGINFO] [list $pairs [list {bulk flags} \
            [list $flags {{bulk off}}] {bulk redirect} {int -1} {bulk prefixes} {array {}}]]
        $c CLIENT TRACKING ON BCAST PREFIX b PREFIX a NOLOOP
        expect [client::typed $c CLIENT TRACKINGINFO] [list $pairs [list {bulk flags} \
            [list $flags {{bulk on} {bulk bcast} {bulk noloop}}] {bulk redirect} {int 0} \
            {bulk prefixes} {array {{bulk a} {bulk b}}}]]
        expect [client::typed $c CLIENT GETREDIR] {int 0}
    }
}

with_server {} {
    test "what tracking takes counts with the client, or with the data" {
        set c [client -resp 3]
        $c CLIENT SETNAME tracker
        proc memory {} {
            regexp -line {^.* name=tracker .* tot-mem=(\d+) .*$} [r CLIENT LIST] -> bytes
            return $bytes
        }
        set own [memory]
        set all [info_field mem_clients_normal]
        set prefixes {}
        for {set i 0} {$i < 1000} {incr i} { lappend prefixes PREFIX [format p%06d $i] }
        $c CLIENT TRACKING ON BCAST {*}$prefixes
        expect_true {[memory] > $own + 10000}
        wait_for {[info_field mem_clients_normal] > $all + 10000}
        $c CLIENT TRACKING OFF
        expect_true {[memory] < $own + 10000}
        # Keys that were read are nobody's alone.
        $c CLIENT TRACKING ON
        set own [memory]
        set used [info_field used_memory]
        set overhead [info_field used_memory_overhead]
        for {set i 0} {$i < 20} {incr i} {
            set requests {}
            for {set j 0} {$j < 1000} {incr j} { lappend requests [list GET key:$i:$j] }
            client::pipeline $c $requests
        }
        expect [info_field tracking_total_keys] 20000
        expect_true {[info_field used_memory] > $used + 20000 * 30}
        expect_true {[info_field used_memory_overhead] < $overhead + 50000}
        expect_true {[memory] < $own + 50000}
    }
}
