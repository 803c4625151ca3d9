# SPDX-License-Identifier: BSD-3-Clause
#
# Sessions: ids, upgrades, what is left of the old ones, and what is told of them.

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

tags quick threads

proc py {script args} { r RG.PYEXECUTE $script {*}$args }
proc unregister_all {} {
    foreach reg [r RG.DUMPREGISTRATIONS] { r RG.UNREGISTER [lindex $reg 1] }
}
proc fresh {} {
    unregister_all
    foreach e [r RG.DUMPEXECUTIONS] {
        r RG.ABORTEXECUTION [lindex $e 1]
        wait_for {[catch {r RG.DROPEXECUTION [lindex $e 1]} err] == 0 || [string match *exist $err]}
    }
    r DEL go begun
}
proc ids {} { lmap reg [r RG.DUMPREGISTRATIONS] { lindex $reg 1 } }
proc session {id args} { lindex [r RG.PYDUMPSESSIONS {*}$args SESSIONS $id] 0 }

# A step that tells that it has begun, and ends when somebody lets it.
set waits {
import time
def wait(r):
    execute('incr', 'begun')
    while not execute('exists', 'go'):
        time.sleep(0.001)
}

with_server {} {
    test "a replaced session is dead until nothing refers to it" -needs python {
        fresh
        py "$waits\nGB().foreach(wait).register('k*', mode='async_local', readValue=False)" \
            ID s DESCRIPTION old
        r SET k1 v
        wait_for {[r GET begun] eq "1"}
        r SET k2 v
        expect [r RG.PYDUMPSESSIONS DEAD] {}
        expect [dict get [session s] refCount] 1
        set old [ids]
        expect [py "GB().register('j*', mode='sync')" ID s UPGRADE DESCRIPTION new] OK
        expect [llength [ids]] 1
        expect_true {[ids] ne $old}
        expect [lrange [session s] 0 9] \
            {ID s sessionDescription new refCount 1 linked primary dead false}
        foreach word {DEAD TS} {
            expect [r RG.PYDUMPSESSIONS $word] [list {ID s sessionDescription old refCount 1\
                linked None dead true requirementInstallationNeeded 0 requirements {}\
                registrations {}}]
        }
        expect [session s DEAD VERBOSE] [session s DEAD]
        expect [session nope DEAD] "Session nope does not exists"
        # what waited was dropped, what ran goes on
        r SET go 1
        wait_for {[lsort [lmap e [r RG.DUMPEXECUTIONS] {lindex $e 3}]] eq {aborted done}}
        expect [r GET begun] 1
        expect [dict get [session s DEAD] refCount] 1
        foreach e [r RG.DUMPEXECUTIONS] { r RG.DROPEXECUTION [lindex $e 1] }
        wait_for {[r RG.PYDUMPSESSIONS DEAD] eq {}}
    }

    test "UPGRADE and REPLACE_WITH: who goes, who stays" -needs python {
        fresh
        py "GB().register('a', mode='sync')\nGB('CommandReader').register(trigger='t')" ID one
        py "GB().register('b', mode='sync')" ID two
        expect_error "Session one already exists" {py "GB().register('c')" ID one}
        expect_error "Can not replace an existing session one with two" \
            {py "GB().register('c')" ID one REPLACE_WITH two}
        expect_error "Can not replace an existing session one with two" \
            {py "GB().register('c')" ID one UPGRADE REPLACE_WITH two}
        expect_error "Can not replace with nope, session does not exists." \
            {py "GB().register('c')" REPLACE_WITH nope}
        expect [llength [ids]] 3
        # the trigger may be taken over by its successor
        expect [py "GB('CommandReader').map(lambda r: 'new').register(trigger='t')" \
            ID one UPGRADE] OK
        expect [r RG.TRIGGER t] new
        expect [llength [ids]] 2
        expect [py "GB('CommandReader').map(lambda r: 'newer').register(trigger='t')" \
            ID three REPLACE_WITH one] OK
        expect [r RG.TRIGGER t] newer
        expect [lmap s [r RG.PYDUMPSESSIONS] {dict get $s ID}] {two three}
        # an upgrade of what isn't there is a beginning
        expect [py "GB().register('d')" ID four UPGRADE] OK
        expect [llength [r RG.PYDUMPSESSIONS]] 3
        # one that registers nothing replaces nothing
        expect [py "1" ID four UPGRADE] OK
        expect [dict get [session four] linked] primary
        unregister_all
        expect [r RG.PYDUMPSESSIONS] {}
    }

    test "an upgrade that fails changes nothing" -needs python {
        fresh
        py "GB('CommandReader').register(trigger='mine')\nGB().register('a', mode='sync')" ID s
        py "GB('CommandReader').register(trigger='theirs')" ID other
        set before [r RG.DUMPREGISTRATIONS]
        foreach script {
            "GB().register('b')\n1/0"
            "GB().register('b')\nGB('CommandReader').register(trigger='theirs')"
            "GB().register('b')\nGB().register('')"
            "GB().register('b')\nimport threading\nl = threading.Lock()\nGB().foreach(lambda r: l).register()"
        } {
            expect_true {[catch {py $script ID s UPGRADE}]}
            expect [r RG.DUMPREGISTRATIONS] $before
        }
        expect [r RG.PYDUMPSESSIONS DEAD] {}
    }

    test "two upgrades at a time: one of them is told" -needs python {
        fresh
        py "GB().register('a', mode='sync')" ID s
        set a [client]
        set b [client]
        # both bodies run at once, as each waits for the other
        set script {
import time
execute('incr', 'bodies')
while int(execute('get', 'bodies')) < 2: time.sleep(0.001)
GB().register('b', mode='sync')
}
        client::send $a RG.PYEXECUTE $script REPLACE_WITH s ID x
        client::send $b RG.PYEXECUTE $script REPLACE_WITH s ID y
        client::flush $a
        client::flush $b
        set got [lsort [list [client::receive $a] [client::receive $b]]]
        expect_match $got \
            "OK {{ERR shard-*: Can not replace with s, session does not exists.}}"
        expect [llength [ids]] 1
        expect [llength [r RG.PYDUMPSESSIONS]] 1
        client::close $a
        client::close $b
    }

    test "a step registers into its session, as long as that isn't replaced" -needs python {
        fresh
        set script {
def more(r):
    return GB().register('more:*', mode='sync')
GB('CommandReader').map(more).register(trigger='more')
}
        py $script ID s
        set id [lindex [r RG.TRIGGER more] 0]
        expect [lindex [ids] 1] $id
        expect [lindex [dict get [session s] registrations] 1] $id
        expect_match [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] PD] "*'registrationsList':\\\['[
            lindex [ids] 0]','$id'\\\]*"
        # the code that runs is that of a session which is replaced meanwhile
        fresh
        py "$waits\ndef late(r):\n    wait(r)\n    return GB().register('late:*', mode='sync')
GB('CommandReader').map(late).register(trigger='late')" ID s
        set c [client]
        client::send $c RG.TRIGGER late
        client::flush $c
        wait_for {[r GET begun] eq "1"}
        py "GB().register('x', mode='sync')" ID s UPGRADE
        r SET go 1
        expect_error "*the session of this code has been replaced*" {client::receive $c}
        expect [llength [ids]] 1
    }

    test "hostile ids and descriptions" -needs python {
        fresh
        set text "ID must be compose of: \['A'-'Z' | 'a'-'z' | '0' - '9' | '-' | '_'\]"
        foreach id [list "a b" "a'b" "a\0b" [utf8 "é"] "a/b" "..%"] {
            expect [rt RG.PYEXECUTE "GB().register()" ID $id] [list error $text]
        }
        set long [string repeat x 100000]
        expect [py "GB().register('a')" ID $long DESCRIPTION "it's \"a\"\r\n{%s}"] OK
        expect [dict get [session $long] sessionDescription] "it's \"a\"\r\n{%s}"
        expect_match [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] PD] "\{'sessionName':'$long',*"
        expect [session [string repeat y 100000]] \
            "Session [string repeat y 1024] does not exists"
        expect_error "ID is missing" {py 1 ID}
        expect_error "DESCRIPTION is missing" {py 1 DESCRIPTION}
        expect_error "REPLACE_WITH is missing" {py 1 REPLACE_WITH}
        expect_error "Unknown option VERBOS" {r RG.PYDUMPSESSIONS VERBOS}
        unregister_all
    }

    # Every event meets either the old registrations or the new ones, and always both of a session.
    test "upgrades race with events and aborts" -needs python {
        fresh
        set script {
def note(which):
    def f(r):
        execute('hincrby', 'seen', which + r['key'], 1)
    return f
GB().foreach(note('a')).register('e:*', mode='sync', readValue=False)
GB().foreach(note('b')).register('e:*', mode='sync', readValue=False)
GB().foreach(lambda r: execute('incr', 'async')).register('e:*', readValue=False)
}
        py $script ID race
        set writer [client]
        set upgrader [client]
        for {set round 0} {$round < 20} {incr round} {
            client::send $upgrader RG.PYEXECUTE $script ID race UPGRADE
            client::flush $upgrader
            for {set i 0} {$i < 20} {incr i} {
                client::send $writer SET e:$round:$i v
            }
            client::flush $writer
            foreach e [r RG.DUMPEXECUTIONS] {
                if {[lindex $e 3] ne "done"} { catch {r RG.ABORTEXECUTION [lindex $e 1]} }
            }
            r RG.PYDUMPSESSIONS VERBOSE DEAD
            r RG.PYDUMPSESSIONS VERBOSE
            r RG.DUMPREGISTRATIONS
            expect [client::receive $upgrader] OK
            for {set i 0} {$i < 20} {incr i} { client::receive $writer }
        }
        set seen [r HGETALL seen]
        # aborts may have hit some; none was told twice to one of them
        foreach {field count} $seen { expect $count 1 }
        expect [llength [ids]] 3
        fresh
        wait_for {[r RG.PYDUMPSESSIONS DEAD] eq {}}
        client::close $writer
        client::close $upgrader
    }
}
