# SPDX-License-Identifier: BSD-3-Clause
#
# What users may do: logging in, commands, keys, channels, transactions, subscribers, the log.

tags quick

# A client that is logged in as the user.
proc as {name} {
    set c [client]
    $c AUTH $name p
    return $c
}

proc dryrun {args} {
    r ACL DRYRUN {*}$args
}

proc expect_no_key {call} {
    expect_error "NOPERM this user has no permissions to access one of the keys used as arguments" {
        uplevel 1 $call
    }
}

# Fields of the log's entries, newest first.
proc logged {args} {
    set list {}
    foreach entry [r ACL LOG 100] {
        set fields {}
        foreach field $args { lappend fields [dict get $entry $field] }
        lappend list $fields
    }
    return $list
}

with_server {} {
    test "logging in" -resp {2 3} {
        r ACL SETUSER a on >p >q +@all
        set c [client]
        expect_error "WRONGPASS invalid username-password pair or user is disabled." { $c AUTH a x }
        expect_error "WRONGPASS *" { $c AUTH nobody p }
        expect [$c ACL WHOAMI] default
        expect [$c AUTH a q] OK
        expect [$c ACL WHOAMI] a
        expect_match [$c CLIENT INFO] "* user=a *"
        expect_error "WRONGPASS *" { $c AUTH default\0 x }
        expect [$c AUTH default anything] OK
        expect [dict get [$c HELLO 3 AUTH a p] proto] 3
        expect [$c ACL WHOAMI] a
        expect [$c RESET] RESET
        expect [$c ACL WHOAMI] default
        r ACL SETUSER a off
        expect_error "WRONGPASS *" { $c AUTH a p }
        expect_error "ERR AUTH <password> called without any password configured*" { $c AUTH p }
        client::close $c
        r ACL DELUSER a
    }

    test "who logged in stays when the user is switched off" {
        r ACL SETUSER a on >p +@all
        set c [as a]
        r ACL SETUSER a off resetpass
        expect [$c PING] PONG
        client::close $c
        r ACL DELUSER a
    }

    test "a user that is removed takes its clients along" {
        r ACL SETUSER a on nopass +@all allkeys
        set c [as a]
        set d [as a]
        client::send $d BLPOP list 0
        client::flush $d
        wait_for {[info_field blocked_clients] == 1}
        expect [r ACL DELUSER a] 1
        expect_error "*" { $c PING }
        expect_error "*" { client::receive $d }
        r RPUSH list v
        expect [r LLEN list] 1
        r ACL SETUSER a on nopass +@all
        set c [as a]
        expect [$c ACL DELUSER a] 1
        expect_error "*" { $c PING }
    }

    test "CLIENT KILL USER, CLIENT LIST" {
        r ACL SETUSER a on nopass +@all
        set c [as a]
        expect_match [r CLIENT LIST] "* user=a *"
        expect_error "ERR No such user 'nobody'" { r CLIENT KILL USER nobody }
        expect [r CLIENT KILL USER a] 1
        expect_error "*" { $c PING }
        r ACL DELUSER a
    }

    test "commands" {
        r ACL SETUSER a on nopass allkeys +get +config|get +select|1
        set c [as a]
        expect [$c GET k] "(nil)"
        expect_error "NOPERM this user has no permissions to run the 'set' command" { $c SET k v }
        expect_error "NOPERM this user has no permissions to run the 'config|set' command" {
            $c CONFIG SET x y
        }
        expect [$c CONFIG GET port] [list port [srv port]]
        expect_error "NOPERM *'select' command" { $c SELECT 0 }
        expect [$c SELECT 1] OK
        expect_error "ERR unknown command*" { $c NOSUCH }
        expect_error "ERR wrong number*" { $c SET }
        expect [$c RESET] RESET
        client::close $c
        r ACL DELUSER a
    }

    test "keys: to read, to write, to know of" {
        r ACL SETUSER a on nopass +@all ~all:* %R~in:* %W~out:*
        set c [as a]
        expect [$c SET all:x 1] OK
        expect [$c SET out:x 1] OK
        expect_no_key { $c SET in:x 1 }
        expect_no_key { $c SET other 1 }
        expect [$c GET in:x] "(nil)"
        expect_no_key { $c GET out:x }
        expect_no_key { $c SET out:x 1 GET }
        expect_no_key { $c INCR out:x }
        expect [$c EXISTS in:x out:x] 1
        expect [$c TYPE out:x] string
        expect_no_key { $c TYPE other }
        expect_no_key { $c MGET all:x in:x other }
        expect [$c COPY in:x out:y] 0
        expect_no_key { $c COPY out:x in:x }
        expect_no_key { $c SORT all:x STORE other }
        expect_no_key { $c SORT all:x GET store STORE other }
        expect_no_key { $c ZUNIONSTORE all:z 2 in:x other }
        expect_no_key { $c XREAD STREAMS in:s other 0 0 }
        expect_no_key { $c GEORADIUS all:g 1 1 1 km STORE other }
        expect_no_key { $c WATCH other }
        client::close $c
        r ACL DELUSER a
    }

    test "SORT's patterns need all keys" {
        r RPUSH l 1
        r ACL SETUSER a on nopass +@all ~l
        set c [as a]
        expect_error "ERR BY option of SORT denied due to insufficient ACL permissions." {
            $c SORT l BY w_*
        }
        expect_error "ERR GET option of SORT denied due to insufficient ACL permissions." {
            $c SORT_RO l GET #
        }
        expect [$c SORT l BY nosort] 1
        r ACL SETUSER a (+sort %R~*)
        expect [$c SORT l BY w_* GET #] 1
        client::close $c
        r ACL DELUSER a
    }

    test "one set of rules must allow all of a call" {
        r ACL SETUSER a on nopass +get ~a "(+set ~b)" "(+mget ~a ~b)"
        expect [dryrun a GET a] OK
        expect [dryrun a SET b 1] OK
        expect [dryrun a GET b] "This user has no permissions to access the 'b' key"
        expect [dryrun a SET a 1] "This user has no permissions to access the 'a' key"
        expect [dryrun a MGET a b] OK
        expect [dryrun a MGET a c b] "This user has no permissions to access the 'c' key"
        expect [dryrun a DEL a] "This user has no permissions to run the 'del' command"
        r ACL DELUSER a
    }

    test "ACL DRYRUN" {
        r ACL SETUSER a +get ~a +@pubsub &c*
        expect_error "ERR User 'b' not found" { dryrun b GET a }
        expect_error "ERR Command 'nosuch' not found" { dryrun a nosuch a }
        expect_error "ERR Command 'config' not found" { dryrun a config nosuch }
        expect_error "ERR wrong number of arguments for 'get' command" { dryrun a GET }
        expect_error "ERR wrong number of arguments for 'config|get' command" { dryrun a config get }
        expect [dryrun a auth x] OK
        expect [dryrun a ping] "This user has no permissions to run the 'ping' command"
        expect [dryrun a publish c1 x] OK
        expect [dryrun a subscribe c1 d] "This user has no permissions to access the 'd' channel"
        expect [dryrun a psubscribe c*] OK
        expect [dryrun a psubscribe c1] "This user has no permissions to access the 'c1' channel"
        expect [dryrun a unsubscribe d] OK
        expect [dryrun a spublish d x] "This user has no permissions to access the 'd' channel"
        r ACL DELUSER a
    }

    test "channels" -resp {2 3} {
        r ACL SETUSER a on nopass +@all &news:* &x
        set c [as a]
        set text "NOPERM this user has no permissions to access one of the channels used as arguments"
        expect [$c PUBLISH news:1 m] 0
        expect_error $text { $c PUBLISH old m }
        expect_error $text { $c SPUBLISH old m }
        expect_error $text { $c SUBSCRIBE x old }
        expect_error $text { $c PSUBSCRIBE news:1* }
        expect_error $text { $c SSUBSCRIBE old }
        client::close $c
        r ACL DELUSER a
    }

    test "subscribers that lose a channel are closed" {
        r ACL SETUSER a on nopass +@all &a* &b
        set calls {{SUBSCRIBE a1} {PSUBSCRIBE a*} {SSUBSCRIBE a1}}
        foreach call $calls {
            set c [as a]
            $c {*}$call
            r ACL SETUSER a resetchannels &b (&a*)
            $c PING
            r ACL SETUSER a -subscribe
            $c PING
            r ACL SETUSER a clearselectors +subscribe
            expect_error "*" { $c PING }
            r ACL SETUSER a &a*
        }
        set c [as a]
        $c SUBSCRIBE a1
        r ACL SETUSER a allchannels
        $c PING
        client::close $c
        r ACL DELUSER a
    }

    test "transactions are asked twice" {
        r ACL SETUSER a on nopass +@all ~a* &a
        set c [as a]
        $c MULTI
        expect_no_key { $c SET x 1 }
        expect_error "EXECABORT Transaction discarded because of previous errors." { $c EXEC }
        foreach {rule why} {
            -set "no permission to execute the command or subcommand"
            resetkeys "no permission to touch the specified keys"
        } {
            r ACL SETUSER a allcommands resetkeys ~a*
            $c MULTI
            $c SET a 1
            $c PING
            r ACL SETUSER a $rule
            set reply [client::typed $c EXEC]
            expect [lindex $reply 1 0] "error {NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: $why}"
            expect [lindex $reply 1 1] {simple PONG}
        }
        $c MULTI
        $c PUBLISH a m
        r ACL SETUSER a resetchannels
        expect_match [client::typed $c EXEC] "*no permission to access one of the channels used as arguments*"
        $c MULTI
        r ACL SETUSER a -exec
        expect_error "EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command" { $c EXEC }
        expect_error "ERR DISCARD without MULTI" { $c DISCARD }
        client::close $c
        r ACL DELUSER a
    }

    test "who waits already is served, and then may not wait again" {
        r ACL SETUSER a on nopass +@all allkeys
        set c [as a]
        client::send $c BLPOP list 0
        client::flush $c
        wait_for {[info_field blocked_clients] == 1}
        r ACL SETUSER a -blpop
        r RPUSH list v
        expect [client::receive $c] {list v}
        expect_error "NOPERM *" { $c BLPOP list 0 }
        client::close $c
        r ACL DELUSER a
    }

    test "the log" -resp {2 3} {
        r ACL SETUSER a on nopass +get ~a +multi +exec +publish
        r ACL LOG RESET
        set c [as a]
        catch { $c AUTH nobody x }
        catch { $c SET a 1 }
        catch { $c GET b }
        catch { $c GET b }
        catch { $c PUBLISH ch m }
        $c MULTI
        catch { $c GET b }
        expect [logged count reason context object username] [list \
            {1 key multi b a} {1 channel toplevel ch a} {2 key toplevel b a} \
            {1 command toplevel set a} {1 auth toplevel AUTH nobody}]
        set entry [lindex [r ACL LOG 1] 0]
        expect_match [dict get $entry client-info] "id=* cmd=get user=a *"
        expect_true {[dict get $entry age-seconds] < 60}
        expect [llength [r ACL LOG 2]] 2
        expect [r ACL LOG 0] {}
        expect [r ACL LOG -1] {}
        expect [r ACL LOG RESET] OK
        expect [r ACL LOG] {}
        expect_error "ERR value is not an integer or out of range" { r ACL LOG x }
        expect_error "ERR unknown subcommand or wrong number*'LOG'*" { r ACL LOG 1 2 }
        client::close $c
        r ACL DELUSER a
    }

    test "the log is bounded" {
        r ACL SETUSER a on nopass +get
        set c [as a]
        for {set i 0} {$i < 200} {incr i} { catch { $c GET $i } }
        expect [llength [r ACL LOG 1000]] 128
        expect [llength [r ACL LOG]] 10
        with_config {acllog-max-len 3} {
            catch { $c GET x }
            expect [llength [r ACL LOG 1000]] 3
        }
        with_config {acllog-max-len 0} {
            catch { $c GET y }
            expect [r ACL LOG] {}
        }
        for {set i 0} {$i < 12} {incr i} { catch { $c GET $i } }
        catch { $c GET 0 }
        catch { $c GET 5 }
        expect [lrange [logged count object] 0 2] {{2 5} {1 0} {1 11}}
        client::close $c
        r ACL LOG RESET
        r ACL DELUSER a
    }

    test "long objects are cut in the log" -only cogwheel {
        r ACL SETUSER a on nopass +get
        set c [as a]
        catch { $c GET [string repeat k 100000] }
        expect_match [lindex [logged object] 0 0] "kkk*kkk... (98976 more bytes)"
        client::close $c
        r ACL LOG RESET
        r ACL DELUSER a
    }

    test "secrets aren't shown to others" {
        with_config {slowlog-log-slower-than 0} {
            r ACL SETUSER a on >secret
            expect [lindex [r SLOWLOG GET 1] 0 3] {ACL SETUSER (redacted) (redacted) (redacted)}
        }
        r ACL DELUSER a
    }

    test "a login with protected connections" {
        set c [client]
        set d [client]
        r ACL SETUSER default >p
        expect [$c PING] PONG
        set e [client]
        expect_error "NOAUTH Authentication required." { $e PING }
        expect_error "NOAUTH HELLO must be called*" { $e HELLO 3 }
        expect_error "WRONGPASS *" { $e AUTH x }
        expect [$e AUTH p] OK
        expect [$e PING] PONG
        $e RESET
        expect_error "NOAUTH *" { $e PING }
        r ACL SETUSER default nopass
        expect [$e PING] PONG
        r ACL SETUSER default off
        expect_error "NOAUTH *" { $e PING }
        expect_error "WRONGPASS *" { $e AUTH default x }
        expect [$d PING] PONG
        r ACL SETUSER default on
        foreach x [list $c $d $e] { client::close $x }
    }

    test "requirepass is the default user's password" {
        expect [r CONFIG SET requirepass foo] OK
        expect [dict get [r ACL GETUSER default] flags] on
        expect [dict get [r ACL GETUSER default] passwords] 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
        set c [client]
        expect_error "NOAUTH *" { $c PING }
        expect [$c AUTH foo] OK
        r ACL SETUSER default >bar
        expect [$c AUTH bar] OK
        expect [r CONFIG GET requirepass] {requirepass foo}
        expect [r CONFIG SET requirepass ""] OK
        expect [dict get [r ACL GETUSER default] flags] {on nopass}
        client::close $c
    }

    test "rights taken from the default user" {
        r ACL SETUSER a on nopass allcommands allkeys
        r ACL SETUSER default -get
        set c [as a]
        expect_error "NOPERM *" { r GET k }
        expect [r SET k v] OK
        $c ACL SETUSER default +get
        expect [r GET k] v
        client::close $c
        r ACL DELUSER a
    }
}
