# SPDX-License-Identifier: BSD-3-Clause
#
# Workers of gears change keys that clients have read, while clients begin to track, stop and leave.

tags threads quick

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

proc writers {count rounds} {
    set ids {}
    for {set w 0} {$w < $count} {incr w} {
        lappend ids [r RG.PYEXECUTE "def f(x):
  for i in range($rounds):
    execute('SET', 'k:%d' % (i % 7), str(i))
    execute('SET', 'once:$w:%d' % i, 'v')
    if i % 500 == 499:
      execute('FLUSHALL')
  return x
GB('ShardsIDReader').map(f).run()" UNBLOCKING]
    }
    return $ids
}

with_server {} {
    test "a worker's changes are told once each and in their order" -needs python -only cogwheel {
        set c [client -resp 3]
        $c CLIENT TRACKING ON
        set b [client -resp 3]
        $b CLIENT TRACKING ON BCAST PREFIX once:
        set rounds 300
        set keys {}
        for {set i 0} {$i < $rounds} {incr i} { lappend keys once:0:$i }
        $c MGET {*}$keys
        set ids [writers 1 $rounds]
        foreach key $keys {
            expect [client::next_push $c] [list push [list {bulk invalidate} [list array [list [list bulk $key]]]]]
        }
        wait_for {[running $ids] == 0}
        set told {}
        while {[llength $told] < $rounds} {
            foreach item [lindex [client::next_push $b] 1 1 1] { lappend told [lindex $item 1] }
        }
        expect_set $told $keys
        expect [client::transcript $c {}] {}
    }

    test "clients begin, stop and leave while workers write" -needs python -only cogwheel {
        set keeper [client -resp 3]
        $keeper CLIENT TRACKING ON
        set ids [writers 3 1500]
        set flushes 0
        while {[running $ids]} {
            set c [client -resp 3]
            set requests {{CLIENT TRACKING ON BCAST PREFIX k: NOLOOP} {SET k:1 x} {MGET k:1 k:2}}
            if {[rand_int 2]} { set requests {{CLIENT TRACKING ON} {MGET k:1 k:2 k:3} {SET k:1 y}} }
            if {[rand_int 2]} { lappend requests {CLIENT TRACKING OFF} }
            # No message within EXEC's reply: it has as many parts as it says.
            set all [client::transcript $c [concat $requests [list MULTI {GET k:1} {SET k:1 z} {GET k:2} EXEC]]]
            set exec [lsearch -inline -not [lreverse $all] push*]
            expect [llength [lindex $exec 1]] 3
            client::close $c
            client::transcript $keeper {{MGET k:0 k:1 k:2 k:3 k:4 k:5 k:6}}
        }
        client::transcript $keeper {{GET last}}
        r SET last 1
        expect [lindex [client::transcript $keeper {}] end] \
            {push {{bulk invalidate} {array {{bulk last}}}}}
    }

    test "workers wait while clients are paused, and go on afterwards" -needs python -only cogwheel {
        r CLIENT PAUSE 100000 WRITE
        set c [client]
        client::send $c SET other mine
        client::flush $c
        set ids [writers 2 100]
        wait_for {[running $ids] == 2}
        expect [r EXISTS k:1] 0
        r CLIENT UNPAUSE
        expect [client::receive $c] OK
        wait_for {[running $ids] == 0}
        expect [r GET k:1] 99
    }
}
