# SPDX-License-Identifier: BSD-3-Clause
#
# COMMAND and its subcommands: shapes under both protocols, filters, keys, errors. That the facts
# of every command equal stock's is checked by tests/diff/command_facts.py.

tags quick

# The typed reply of a set (RESP3) or an array (RESP2).
proc set_of {items} {
    list [expr {[resp] == 3 ? "set" : "array"}] $items
}

# The typed reply of a map (RESP3) or a flat array (RESP2).
proc map_of {items} {
    list [expr {[resp] == 3 ? "map" : "array"}] $items
}

proc statuses {words} {
    lmap word $words {list simple $word}
}

# COMMAND INFO's typed description of GET.
proc info_of_get {} {
    set range {{bulk lastkey} {int 0} {bulk keystep} {int 1} {bulk limit} {int 0}}
    set begin [list {bulk type} {bulk index} {bulk spec} [map_of {{bulk index} {int 1}}]]
    set find [list {bulk type} {bulk range} {bulk spec} [map_of $range]]
    set spec [list {bulk flags} [set_of [statuses {RO access}]] \
        {bulk begin_search} [map_of $begin] {bulk find_keys} [map_of $find]]
    list array [list {bulk get} {int 2} [set_of [statuses {readonly fast}]] {int 1} {int 1} {int 1} \
        [set_of [statuses {@read @string @fast}]] [set_of {}] \
        [set_of [list [map_of $spec]]] [set_of {}]]
}

# The plain field of a flat map.
proc field {map name} {
    dict get $map $name
}

with_server {} {
    test "COMMAND INFO describes a command" -resp {2 3} {
        expect [rt COMMAND INFO get] [list array [list [info_of_get]]]
        expect [rt COMMAND INFO GeT] [list array [list [info_of_get]]]
        set null [expr {[resp] == 3 ? "null" : "null_bulk"}]
        expect [rt COMMAND INFO nosuch get "" client|nosuch get|x] \
            [list array [list $null [info_of_get] $null $null $null]]
    }

    test "COMMAND INFO describes subcommands alone and inside their container" -resp {2 3} {
        lassign [r COMMAND INFO CLIENT|ID] id
        expect [lrange $id 0 5] {client|id 2 {noscript loading stale} 0 0 0}
        lassign [r COMMAND INFO client] container
        expect [lindex $container 0] client
        expect_true {[lsearch -exact [lmap sub [lindex $container 9] {lindex $sub 0}] client|id] >= 0}
        expect_true {$id in [lindex $container 9]}
        lassign [rt COMMAND INFO client] kind items
        expect [lindex $items 0 1 9 0] array
    }

    test "COMMAND, COMMAND INFO and COMMAND COUNT agree" -resp {2 3} {
        set all [r COMMAND]
        expect [llength $all] [r COMMAND COUNT]
        expect [r COMMAND INFO] $all
        set names [lmap row $all {lindex $row 0}]
        expect [llength [lsort -unique $names]] [llength $names]
        expect_true {{get} in $names && {client} in $names && {client|id} ni $names}
    }

    test "COMMAND DOCS gives a map by name" -resp {2 3} {
        lassign [rt COMMAND DOCS get] kind
        expect $kind [expr {[resp] == 3 ? "map" : "array"}]
        lassign [r COMMAND DOCS GET] name docs
        expect $name get
        expect [lsort [dict keys $docs]] {arguments complexity group since summary}
        expect [field $docs group] string
        expect [field $docs since] 1.0.0
        expect [field $docs arguments] {{name key type key key_spec_index 0}}
        expect [r COMMAND DOCS nosuch] {}
        expect [lmap {name docs} [r COMMAND DOCS get nosuch client|id get] {set name}] \
            {get client|id get}
        set all [r COMMAND DOCS]
        expect [expr {[llength $all] / 2}] [r COMMAND COUNT]
    }

    test "COMMAND DOCS nests arguments, history and subcommands" -resp {2 3} {
        set docs [field [r COMMAND DOCS set] set]
        set condition [lsearch -inline -index 1 [field $docs arguments] condition]
        expect [field $condition type] oneof
        expect [field $condition flags] optional
        expect [field $condition arguments] {{name nx type pure-token token NX}\
            {name xx type pure-token token XX}}
        expect [lmap entry [field $docs history] {lindex $entry 0}] {2.6.12 6.0.0 6.2.0 7.0.0}
        set getset [field [r COMMAND DOCS getset] getset]
        expect [field $getset doc_flags] deprecated
        expect [field $getset deprecated_since] 6.2.0
        set subs [field [field [r COMMAND DOCS object] object] subcommands]
        expect [field [field $subs object|encoding] since] 2.2.3
    }

    test "COMMAND LIST and its filters" {
        set all [r COMMAND LIST]
        expect_true {{get} in $all && {client|id} in $all}
        expect [lsort [r COMMAND LIST FILTERBY PATTERN get*]] \
            [lsort [lsearch -all -inline $all get*]]
        expect [lsort [r COMMAND LIST FilterBy Pattern *]] [lsort $all]
        expect [r COMMAND LIST FILTERBY PATTERN CLIENT|I?] client|id
        expect [r COMMAND LIST FILTERBY PATTERN {}] {}
        set strings [r COMMAND LIST FILTERBY ACLCAT string]
        expect [lsort [r COMMAND LIST FILTERBY ACLCAT STRING]] [lsort $strings]
        expect_true {{get} in $strings && {hget} ni $strings}
        expect [r COMMAND LIST FILTERBY ACLCAT nosuch] {}
        expect [r COMMAND LIST FILTERBY MODULE nosuch] {}
        foreach wrong {{FILTERBY} {FILTERBY ACLCAT} {FILTERBY nosuch x} {nosuch}
                       {FILTERBY ACLCAT string x}} {
            expect_error "ERR syntax error" {r COMMAND LIST {*}$wrong}
        }
    }

    test "COMMAND GETKEYS finds keys" -resp {2 3} {
        expect [rt COMMAND GETKEYS get a] {array {{bulk a}}}
        expect [r COMMAND GETKEYS MSET a 1 b 2 c 3] {a b c}
        expect [r COMMAND GETKEYS rename a b] {a b}
        expect [r COMMAND GETKEYS object encoding k] k
        expect [r COMMAND GETKEYS del {*}[lrepeat 1000 x]] [lrepeat 1000 x]
        expect [r COMMAND GETKEYS get "a\0b"] "a\0b"
    }

    test "COMMAND GETKEYS finds the key that SORT stores" {
        foreach {args keys} {
            {k}                                   k
            {k STORE a}                           {k a}
            {k get # LIMIT 0 1 store a ALPHA}     {k a}
            {k STORE a STORE b}                   {k b}
            {k STORE STORE b}                     {k b}
            {k STORE}                             k
            {k GET STORE a}                       k
            {k BY STORE STORE a}                  {k a}
            {k LIMIT STORE 1 a}                   k
            {k LIMIT 1 STORE a}                   k
            {k nosuch STORE a LIMIT 0}            {k a}
        } {
            expect [r COMMAND GETKEYS SORT {*}$args] $keys
            expect [r COMMAND GETKEYS SORT_RO {*}$args] k
        }
        expect [r COMMAND GETKEYSANDFLAGS SORT k STORE a] {{k {RO access}} {a {OW update}}}
    }

    test "COMMAND GETKEYSANDFLAGS says what is done to keys" -resp {2 3} {
        expect [rt COMMAND GETKEYSANDFLAGS set k v] [list array [list \
            [list array [list {bulk k} [set_of [statuses {OW update}]]]]]]
        expect [r COMMAND GETKEYSANDFLAGS set k v GET] {{k {RW access update}}}
        expect [r COMMAND GETKEYSANDFLAGS set k get] {{k {OW update}}}
        expect [r COMMAND GETKEYSANDFLAGS smove a b c] {{a {RW access delete}} {b {RW insert}}}
    }

    test "COMMAND GETKEYS and its errors" {
        foreach sub {GETKEYS GETKEYSANDFLAGS} {
            expect_error "ERR Invalid command specified" {r COMMAND $sub nosuch x}
            expect_error "ERR Invalid command specified" {r COMMAND $sub client nosuch}
            expect_error "ERR Invalid command specified" {r COMMAND $sub client|id x}
            expect_error "ERR The command has no key arguments" {r COMMAND $sub ping x y}
            expect_error "ERR The command has no key arguments" {r COMMAND $sub client id}
            expect_error "ERR Invalid number of arguments specified for command" {
                r COMMAND $sub get a b
            }
            expect_error "ERR wrong number of arguments for 'command|[string tolower $sub]' command" {
                r COMMAND $sub get
            }
        }
    }

    test "COMMAND HELP and unknown subcommands" -resp {2 3} {
        lassign [rt COMMAND HELP] kind lines
        expect $kind array
        expect [lindex $lines 0] \
            {simple {COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:}}
        expect [lrange $lines end-1 end] {{simple HELP} {simple {    Prints this help.}}}
        expect_error "ERR unknown subcommand 'foo'. Try COMMAND HELP." {r COMMAND foo}
        expect_error "ERR unknown subcommand 'foo'. Try CLIENT HELP." {r client foo}
        expect_error "ERR wrong number of arguments for 'command|count' command" {
            r COMMAND COUNT x
        }
    }

    test "unknown commands are repeated up to 128 bytes" {
        expect_error "ERR unknown command 'foo', with args beginning with: 'a' 'b' " {r foo a b}
        expect_error "ERR unknown command 'client|id', with args beginning with: " {r client|id}
        expect_error "ERR unknown command 'fo  o', with args beginning with: 'a b' " {
            r "fo\r\no" "a\nb"
        }
        expect_error "ERR unknown command '[string repeat z 128]', with args beginning with:\
            '[string repeat y 50]' 'a' " {r [string repeat z 300] [string repeat y 50] a}
        expect_error "ERR unknown command 'foo', with args beginning with: '[string repeat y 128]' " {
            r foo [string repeat y 300] a
        }
        expect_error "ERR unknown subcommand '[string repeat z 128]'. Try CLIENT HELP." {
            r client [string repeat z 300]
        }
        expect_error "ERR unknown command 'a', with args beginning with: 'b' " {r "a\0x" "b\0y"}
    }

    test "every row refuses a wrong number of arguments by its full name" {
        set checked 0
        foreach name [r COMMAND LIST] {
            lassign [lindex [r COMMAND INFO $name] 0] fullname arity
            set words [split $name |]
            set count [expr {abs($arity) - 1}]
            if {$count < [llength $words]} continue
            while {[llength $words] < $count} { lappend words x }
            if {[llength [split $name |]] == 1 && [llength $words] > 1 &&
                [llength [lindex [r COMMAND INFO $name] 0 9]]} continue
            expect_error "ERR wrong number of arguments for '$name' command" {r {*}$words}
            incr checked
        }
        expect_true {$checked > 80}
    }

    test "RG commands are described" -resp {2 3} -only cogwheel {
        lassign [r COMMAND INFO rg.pyexecute] info
        expect [lrange $info 0 5] {rg.pyexecute -2 readonly 0 0 0}
        set docs [field [r COMMAND DOCS RG.PYEXECUTE] rg.pyexecute]
        expect [field $docs group] gears
        expect [field [lindex [field $docs arguments] 0] name] script
        expect_true {{rg.pyexecute} in [r COMMAND LIST FILTERBY ACLCAT gears]}
    }
}
