# SPDX-License-Identifier: BSD-3-Clause
#
# A RESP2 and RESP3 client for tests. `client::open` returns a command; called with words it
# sends them as one request and returns the reply:
#
#     set c [client::open -port $port -resp 3]
#     $c SET k v            => OK
#     client::typed $c GET missing   => {null}
#
# Two views of a reply. *Typed* shows what was on the wire, each value as a list headed by its
# kind, so that a test can tell a set from an array or a nil from an empty string:
#
#     {simple T} {error T} {int N} {bulk B} {array {…}} {null_bulk} {null_array}    RESP2
#     {null} {map {k v k v}} {set {…}} {push {…}} {double T} {bool t|f} {big T}
#     {verbatim FMT TEXT} {blob_error T}                                            RESP3
#
# *Plain* drops the kinds: text as it is, aggregates as lists (maps flat), every null as
# `(nil)`, and an error as a Tcl error with errorCode {REDIS <first word>}; an error inside an
# aggregate or a pipeline is its text with a leading `-`.
#
# Arguments are bytes: one character is one byte. Text beyond ASCII goes through [utf8 text].
# Requests are buffered until a reply is read, so `client::send` pipelines. Pushes that arrive
# while a reply is awaited are kept for `client::next_push`.

namespace eval client {
    variable count 0
    variable timeout_ms 30000
    variable chan        ;# id -> channel
    variable pushes      ;# id -> list of typed push messages
    variable wake        ;# id -> variable that vwait waits on
    array set chan {}
    array set pushes {}
    array set wake {}
}

proc utf8 {text} {
    encoding convertto utf-8 $text
}

# Options: -host, -port, -resp 2|3, -user/-password for HELLO's AUTH. No request is sent unless
# RESP3 or a password asks for it.
proc client::open {args} {
    variable count
    variable chan
    variable pushes
    array set opt {-host 127.0.0.1 -port 6379 -resp 2 -password ""}
    array set opt $args
    set sock [socket $opt(-host) $opt(-port)]
    chan configure $sock -translation binary -blocking 0 -buffering full -buffersize 65536
    set id [incr count]
    set chan($id) $sock
    set pushes($id) {}
    set name ::client::c$id
    interp alias {} $name {} ::client::call $id
    if {$opt(-password) ne ""} { $name AUTH $opt(-password) }
    if {$opt(-resp) == 3} { $name HELLO 3 }
    return $name
}

proc client::id {name} {
    string range $name [string length ::client::c] end
}

proc client::close {name} {
    variable chan
    set id [id $name]
    if {![info exists chan($id)]} return
    catch {::close $chan($id)}
    unset chan($id)
    unset ::client::pushes($id)
    unset -nocomplain ::client::wake($id)
    interp alias {} $name {}
}

# Ends the connection and waits until the server has done so, too: then it isn't listed any more.
proc client::leave {name {limit_ms 1000}} {
    set id [id $name]
    set sock $::client::chan($id)
    catch {
        chan close $sock write
        while {![chan eof $sock]} {
            await_readable $id $limit_ms
            read $sock
        }
    }
    close $name
}

proc client::call {id args} {
    send_id $id $args
    plain [receive_id $id]
}

# ---- requests --------------------------------------------------------------------------------

proc client::encode {words} {
    set out "*[llength $words]\r\n"
    foreach word $words {
        append out "\$[string length $word]\r\n$word\r\n"
    }
    return $out
}

proc client::send_id {id words} {
    puts -nonewline $::client::chan($id) [encode $words]
}

# Adds one request to the pipeline.
proc client::send {name args} {
    send_id [id $name] $args
}

# Sends bytes as they are, at once.
proc client::send_raw {name bytes} {
    set sock $::client::chan([id $name])
    puts -nonewline $sock $bytes
    chan flush $sock
}

proc client::flush {name} {
    chan flush $::client::chan([id $name])
}

# ---- waiting for bytes -----------------------------------------------------------------------

# Returns when the channel has something to read (or its end); an error after the time limit.
proc client::await_readable {id {limit_ms 0}} {
    variable chan
    variable timeout_ms
    set sock $chan($id)
    if {$limit_ms == 0} { set limit_ms $timeout_ms }
    set timer [after $limit_ms [list set ::client::wake($id) timeout]]
    chan event $sock readable [list set ::client::wake($id) readable]
    vwait ::client::wake($id)
    after cancel $timer
    if {[info exists chan($id)]} { chan event $sock readable {} }
    if {$::client::wake($id) eq "timeout"} {
        return -code error -errorcode {CLIENT TIMEOUT} "no reply within $limit_ms ms"
    }
}

proc client::closed_error {} {
    return -level 2 -code error -errorcode {CLIENT CLOSED} "connection closed by the server"
}

proc client::line {id} {
    set sock $::client::chan($id)
    while 1 {
        if {[catch {gets $sock text} count]} closed_error
        if {$count >= 0} { return [string range $text 0 end-1] }
        if {[chan eof $sock]} closed_error
        await_readable $id
    }
}

proc client::bytes {id count} {
    set sock $::client::chan($id)
    set got ""
    while {$count > 0} {
        if {[catch {read $sock $count} part]} closed_error
        if {$part eq ""} {
            if {[chan eof $sock]} closed_error
            await_readable $id
            continue
        }
        append got $part
        incr count -[string length $part]
    }
    return $got
}

# Everything that comes until the server closes, or, with a limit, until nothing came for that
# long. Meant for tests of the protocol itself.
proc client::read_all {name {quiet_ms 0}} {
    set id [id $name]
    set sock $::client::chan($id)
    catch {chan flush $sock}
    set got ""
    while 1 {
        if {[catch {read $sock} part]} break
        append got $part
        if {[chan eof $sock]} break
        if {$part ne ""} continue
        if {[catch {await_readable $id $quiet_ms} message]} {
            if {$quiet_ms > 0} break
            error $message
        }
    }
    return $got
}

# Exactly that many bytes as they are on the wire.
proc client::read_raw {name count} {
    set id [id $name]
    catch {chan flush $::client::chan($id)}
    bytes $id $count
}

# ---- replies ---------------------------------------------------------------------------------

proc client::parse_many {id count} {
    set items {}
    for {set i 0} {$i < $count} {incr i} { lappend items [parse $id] }
    return $items
}

proc client::parse {id} {
    set text [line $id]
    set rest [string range $text 1 end]
    switch -- [string index $text 0] {
        + { return [list simple $rest] }
        - { return [list error $rest] }
        : { return [list int $rest] }
        $ {
            if {$rest eq "-1"} { return {null_bulk} }
            set body [bytes $id $rest]
            bytes $id 2
            return [list bulk $body]
        }
        * {
            if {$rest eq "-1"} { return {null_array} }
            return [list array [parse_many $id $rest]]
        }
        _ { return {null} }
        % { return [list map [parse_many $id [expr {$rest * 2}]]] }
        ~ { return [list set [parse_many $id $rest]] }
        > { return [list push [parse_many $id $rest]] }
        , { return [list double $rest] }
        # { return [list bool $rest] }
        ( { return [list big $rest] }
        ! {
            set body [bytes $id $rest]
            bytes $id 2
            return [list blob_error $body]
        }
        = {
            set body [bytes $id $rest]
            bytes $id 2
            return [list verbatim [string range $body 0 2] [string range $body 4 end]]
        }
        | {
            parse_many $id [expr {$rest * 2}]
            return [parse $id]
        }
    }
    error "not a reply: [string range $text 0 79]"
}

# The next reply, typed. Pushes on the way are set aside.
proc client::receive_id {id} {
    catch {chan flush $::client::chan($id)}
    while 1 {
        set reply [parse $id]
        if {[lindex $reply 0] ne "push"} { return $reply }
        lappend ::client::pushes($id) $reply
    }
}

proc client::receive_typed {name} {
    receive_id [id $name]
}

proc client::receive {name} {
    plain [receive_id [id $name]]
}

# Sends one request and returns its reply typed; an error reply is {error TEXT}.
proc client::typed {name args} {
    set id [id $name]
    send_id $id $args
    receive_id $id
}

# Sends all requests (a list of word lists) at once, returns the list of plain replies.
proc client::pipeline {name requests} {
    set id [id $name]
    set replies {}
    foreach words $requests { send_id $id $words }
    foreach words $requests { lappend replies [plain_inner [receive_id $id]] }
    return $replies
}

# Sends all requests at once, returns all that comes back for them, typed, pushes where they stand.
proc client::transcript {name requests} {
    set id [id $name]
    foreach request $requests { send_id $id $request }
    send_id $id {ECHO --end--}
    flush $name
    set all {}
    while {[set item [parse $id]] ne {bulk --end--}} { lappend all $item }
    return $all
}

# The requests of a stream of them, each a list of words.
proc client::requests_of {bytes} {
    set requests {}
    for {set at 0} {$at < [string length $bytes]} {} {
        lassign [head_of $bytes $at] count at
        set words {}
        for {set i 0} {$i < $count} {incr i} {
            lassign [head_of $bytes $at] length at
            lappend words [string range $bytes $at $at+[expr {$length - 1}]]
            set at [expr {$at + $length + 2}]
        }
        lappend requests $words
    }
    return $requests
}

# The number behind a type byte, and where its line has ended.
proc client::head_of {bytes at} {
    set end [string first \r\n $bytes $at]
    return [list [string range $bytes $at+1 $end-1] [expr {$end + 2}]]
}

# The next push message, typed, from those set aside or from the wire.
proc client::next_push {name} {
    set id [id $name]
    catch {chan flush $::client::chan($id)}
    if {[llength $::client::pushes($id)]} {
        set ::client::pushes($id) [lassign $::client::pushes($id) first]
        return $first
    }
    set reply [parse $id]
    if {[lindex $reply 0] ne "push"} { error "expected a push, got: $reply" }
    return $reply
}

proc client::plain {reply} {
    lassign $reply kind body
    if {$kind in {error blob_error}} {
        return -level 2 -code error -errorcode [list REDIS [lindex [split $body] 0]] $body
    }
    plain_inner $reply
}

proc client::plain_inner {reply} {
    lassign $reply kind body text
    switch -- $kind {
        null - null_bulk - null_array { return (nil) }
        error - blob_error { return -$body }
        verbatim { return $text }
        array - map - set - push {
            set items {}
            foreach item $body { lappend items [plain_inner $item] }
            return $items
        }
    }
    return $body
}
