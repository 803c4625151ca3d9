# SPDX-License-Identifier: BSD-3-Clause
#
# ACL SETUSER's language: what each word does, how it is printed, what is refused.

tags quick

# The value of a field of ACL GETUSER.
proc user {name field} {
    dict get [r ACL GETUSER $name] $field
}

proc remove_users {} {
    foreach name [r ACL USERS] {
        if {$name ne "default"} { r ACL DELUSER $name }
    }
}

# The words of a rule in any order, but for the first.
proc expect_commands {name want} {
    set got [user $name commands]
    expect [lindex $got 0] [lindex $want 0]
    expect [lsort $got] [lsort $want]
}

with_server {} {
    test "the default user" -resp {2 3} {
        remove_users
        expect [r ACL USERS] default
        expect [r ACL WHOAMI] default
        expect [r ACL LIST] {{user default on nopass ~* &* +@all}}
        expect [user default flags] {on nopass}
        expect [user default passwords] {}
        expect [user default selectors] {}
        expect [r ACL GETUSER nobody] "(nil)"
    }

    test "types of ACL GETUSER" -resp {2 3} {
        r ACL SETUSER a on nopass "(~x)"
        set reply [rt ACL GETUSER a]
        expect [lindex $reply 0] [expr {[resp] == 3 ? "map" : "array"}]
        expect [lindex $reply 1 1 0] [expr {[resp] == 3 ? "set" : "array"}]
        expect [lindex $reply 1 11 1 0 0] [expr {[resp] == 3 ? "map" : "array"}]
        remove_users
    }

    test "a new user may do nothing" {
        expect [r ACL SETUSER a] OK
        expect [r ACL LIST] {{user a off resetchannels -@all} {user default on nopass ~* &* +@all}}
        expect [r ACL SETUSER a reset] OK
        expect [user a flags] {off sanitize-payload}
        expect [r ACL SETUSER a skip-sanitize-payload ON] OK
        expect [user a flags] {on skip-sanitize-payload}
        remove_users
    }

    test "passwords" {
        r ACL SETUSER a >a >b >a
        set a ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
        set b 3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d
        expect [user a passwords] [list $a $b]
        r ACL SETUSER a <a #$a
        expect [user a passwords] [list $b $a]
        r ACL SETUSER a !$b
        expect [user a passwords] [list $a]
        expect_error "*modifier '<b': The password you are trying to remove*does not exist" {
            r ACL SETUSER a <b
        }
        expect_error "*The password hash must be exactly 64 characters*lowercase hexadecimal*" {
            r ACL SETUSER a #[string toupper $a]
        }
        expect_error "*The password hash must be exactly 64 characters*" { r ACL SETUSER a !abc }
        r ACL SETUSER a nopass
        expect [user a flags] {off nopass}
        expect [user a passwords] {}
        r ACL SETUSER a >x
        expect [user a flags] off
        r ACL SETUSER a resetpass "> \0\n"
        expect [llength [user a passwords]] 1
        remove_users
    }

    test "keys" {
        r ACL SETUSER a ~a %R~b %W~c %rw~d %WR~e ~a
        expect [user a keys] "~a %R~b %W~c ~d ~e"
        r ACL SETUSER a %R~c %W~b
        expect [user a keys] "~a ~b ~c ~d ~e"
        r ACL SETUSER a %R~*
        expect [user a keys] "~a ~b ~c ~d ~e %R~*"
        r ACL SETUSER a allkeys
        expect [user a keys] "~*"
        foreach word {~x %R~x %Q~x} {
            expect_error "*'$word': Adding a pattern after the \\* pattern (or the 'allkeys' flag)*" {
                r ACL SETUSER a $word
            }
        }
        r ACL SETUSER a resetkeys %R ~
        expect [user a keys] "~"
        foreach word {% %~x %RR~x %Q~x "~a b" "~a\tb" "~a\0b"} {
            expect_error "*Syntax error" { r ACL SETUSER a $word }
        }
        remove_users
    }

    test "channels" {
        r ACL SETUSER a &a &b* &a
        expect [user a channels] "&a &b*"
        r ACL SETUSER a allchannels
        expect [user a channels] "&*"
        expect_error "*'&x': Adding a pattern after the \\* pattern (or the 'allchannels'*" {
            r ACL SETUSER a &x
        }
        r ACL SETUSER a resetchannels
        expect [user a channels] ""
        expect_error "*Syntax error" { r ACL SETUSER a "&a b" }
        remove_users
    }

    test "commands and categories" {
        r ACL SETUSER a +get +SET
        expect_commands a "-@all +get +set"
        r ACL SETUSER a +@string
        expect [user a commands] "-@all +@string"
        r ACL SETUSER a -get
        expect [user a commands] "-@all +@string -get"
        r ACL SETUSER a +@all
        expect [user a commands] "+@all"
        r ACL SETUSER a -@Hash
        expect [user a commands] "+@all -@hash"
        r ACL SETUSER a +@hash
        expect [user a commands] "+@all"
        r ACL SETUSER a nocommands
        expect [user a commands] "-@all"
        r ACL SETUSER a allcommands -@all
        expect [user a commands] "-@all"
        r ACL SETUSER a -@all +@read +@write
        expect_commands a "-@all +@write +@read"
        remove_users
    }

    test "subcommands" {
        r ACL SETUSER a +config|get
        expect [user a commands] "-@all +config|get"
        r ACL SETUSER a +config
        expect [user a commands] "-@all +config"
        r ACL SETUSER a -config|set
        expect [user a commands] "-@all +config -config|set"
        r ACL SETUSER a allcommands -client +client|id
        expect [user a commands] "+@all -client +client|id"
        remove_users
    }

    test "first arguments" {
        r ACL SETUSER a +get|x +get|X +get|y
        expect [user a commands] "-@all +get|x +get|y"
        r ACL SETUSER a +get
        expect [user a commands] "-@all +get"
        r ACL SETUSER a -get
        expect [user a commands] "-@all"
        r ACL SETUSER a +get|x -@hash
        expect [user a commands] "-@all +get|x"
        r ACL SETUSER a -@string
        expect [user a commands] "-@all"
        remove_users
    }

    test "commands that are refused" {
        foreach {word why} {
            +nosuch "Unknown command or category name in ACL"
            -nosuch "Unknown command or category name in ACL"
            +@nosuch "Unknown command or category name in ACL"
            +nosuch|x "Unknown command or category name in ACL"
            -get|x "Unknown command or category name in ACL"
            +config|nosuch "Unknown command or category name in ACL"
            +get|x|y "Unknown command or category name in ACL"
            +@string|x "Unknown command or category name in ACL"
            + "Unknown command or category name in ACL"
            +@ "Unknown command or category name in ACL"
            +config|get|x "Allowing first-arg of a subcommand is not supported"
            +get| "Syntax error"
            +config| "Syntax error"
            foo "Syntax error"
        } {
            expect_error "ERR Error in ACL SETUSER modifier '$word': $why" {
                r ACL SETUSER a $word
            }
        }
        expect [r ACL USERS] default
    }

    test "selectors" {
        r ACL SETUSER a "(~x +get)" (+set ~y &z ) ( )
        expect [user a selectors] {{commands {-@all +get} keys ~x channels {}} {commands {-@all +set} keys ~y channels &z} {commands -@all keys {} channels {}}}
        expect [lindex [r ACL LIST] 0] "user a off resetchannels -@all (~x resetchannels -@all +get) (~y resetchannels &z -@all +set) (resetchannels -@all)"
        r ACL SETUSER a clearselectors
        expect [user a selectors] {}
        expect_error "ERR Unmatched parenthesis in acl selector starting at '(~x'." {
            r ACL SETUSER a on (~x +get
        }
        expect [user a flags] off
        expect_error "*modifier '(~x foo)': Syntax error" { r ACL SETUSER a (~x foo) }
        expect_error "*modifier '(~x >p)': Syntax error" { r ACL SETUSER a "(~x >p)" }
        expect_error "*modifier '(on)': Syntax error" { r ACL SETUSER a (on) }
        expect_error "*modifier ')': Syntax error" { r ACL SETUSER a ) }
        expect_error "*modifier '(~\\* ~x)': Adding a pattern*" { r ACL SETUSER a "(~* ~x)" }
        remove_users
    }

    test "all rules or none" {
        r ACL SETUSER a on >p ~a +get
        set before [r ACL LIST]
        expect_error "*Syntax error" { r ACL SETUSER a off nopass ~b +set foo }
        expect [r ACL LIST] $before
        remove_users
    }

    test "names of users" {
        expect_error "ERR Usernames can't contain spaces or null characters" {
            r ACL SETUSER "a b"
        }
        expect_error "ERR Usernames can't contain spaces or null characters" {
            r ACL SETUSER "a\0"
        }
        expect [r ACL SETUSER ""] OK
        expect [r ACL SETUSER "\xff\x01"] OK
        expect [llength [r ACL USERS]] 3
        expect [r ACL DELUSER "" "\xff\x01" nobody] 2
        expect_error "ERR The 'default' user cannot be removed" { r ACL DELUSER a default }
    }

    test "empty words do nothing" {
        expect [r ACL SETUSER a "" on ""] OK
        expect [user a flags] on
        remove_users
    }

    test "acl-pubsub-default" {
        with_config {acl-pubsub-default allchannels} {
            r ACL SETUSER a (~x)
            expect [user a channels] "&*"
            expect [lindex [r ACL LIST] 0] "user a off &* -@all (~x &* -@all)"
        }
        r ACL SETUSER a reset
        expect [user a channels] ""
        remove_users
    }

    test "ACL CAT" {
        expect [lrange [r ACL CAT] 0 20] {keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin fast slow blocking dangerous connection transaction scripting}
        expect_true {"get" in [r ACL CAT STRING]}
        expect_true {"config|get" in [r ACL CAT admin]}
        expect_error "ERR Unknown category 'nosuch'" { r ACL CAT nosuch }
        expect_error "ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP." {
            r ACL CAT a b
        }
    }

    test "ACL CAT gears" -only cogwheel {
        expect [lindex [r ACL CAT] end] gears
        expect_true {"rg.pyexecute" in [r ACL CAT gears]}
        r ACL SETUSER a +@gears
        expect [user a commands] "-@all +@gears"
        r ACL SETUSER a +@all -@gears
        expect [user a commands] "+@all -@gears"
        r ACL SETUSER a +rg.pyexecute
        expect_match [user a commands] "+@all -rg.*"
        remove_users
    }

    test "ACL GENPASS" {
        expect [string length [r ACL GENPASS]] 64
        foreach {bits length} {1 1 4 1 5 2 128 32 4096 1024} {
            set pass [r ACL GENPASS $bits]
            expect [string length $pass] $length
            expect_true {[regexp {^[0-9a-f]+$} $pass]}
        }
        foreach bits {0 -1 4097} {
            expect_error "ERR ACL GENPASS argument must be the number of bits*up to 4096" {
                r ACL GENPASS $bits
            }
        }
        expect_error "ERR value is not an integer or out of range" { r ACL GENPASS x }
        expect_error "ERR unknown subcommand or wrong number*'GENPASS'*" { r ACL GENPASS 1 2 }
    }

    test "wrong numbers of arguments" {
        foreach call {{GETUSER} {SETUSER} {DELUSER} {DRYRUN a} {WHOAMI x} {LIST x} {USERS x} {LOAD x}
            {SAVE x}} {
            expect_error "ERR wrong number of arguments for 'acl|*' command" { r ACL {*}$call }
        }
        expect_error "ERR unknown subcommand 'nosuch'. Try ACL HELP." { r ACL nosuch }
        expect_true {[llength [r ACL HELP]] > 20}
    }

    test "hostile: long words, many patterns, many users" {
        set long [string repeat x 100000]
        expect [r ACL SETUSER a ~$long &$long >$long on] OK
        expect [string length [user a keys]] 100001
        expect_error "ERR Error in ACL SETUSER modifier 'x*" { r ACL SETUSER a $long }
        expect_error "*Unknown command*" { r ACL SETUSER a +$long }
        expect_error "*Unknown command*" { r ACL SETUSER a +@$long }
        expect [r ACL SETUSER a +get|$long] OK
        expect_error "*Syntax error" { r ACL SETUSER a ([string repeat ( 100000] ~x)) }
        set words {}
        for {set i 0} {$i < 5000} {incr i} { lappend words ~key:$i:* %R~$i &c$i }
        expect [r ACL SETUSER a reset {*}$words] OK
        expect [llength [user a keys]] 10000
        expect [r ACL DRYRUN a get key:4999:x] "This user has no permissions to run the 'get' command"
        r ACL SETUSER a +get
        expect [r ACL DRYRUN a get key:4999:x] OK
        expect [r ACL DRYRUN a get 4999] OK
        expect_match [r ACL DRYRUN a get 5000] "*the '5000' key"
        for {set i 0} {$i < 2000} {incr i} { r ACL SETUSER user:$i on ~$i +get }
        expect [llength [r ACL USERS]] 2002
        expect [r ACL DRYRUN user:1999 get 1999] OK
        remove_users
        expect [llength [r ACL LIST]] 1
    }

    test "hostile: random words" {
        set bytes {~ % & + - @ | ( ) > < # ! R W * ? \[ \] \\ a get set config on off all "" " "}
        for {set i 0} {$i < 2000} {incr i} {
            set words {}
            for {set k [rand_int 6]} {$k >= 0} {incr k -1} {
                set word ""
                for {set n [rand_int 8]} {$n > 0} {incr n -1} { append word [rand_pick $bytes] }
                lappend words $word
            }
            catch { r ACL SETUSER a {*}$words }
        }
        catch { r ACL LIST }
        r ACL DELUSER a
        expect [r PING] PONG
    }
}
