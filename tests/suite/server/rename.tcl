# SPDX-License-Identifier: BSD-3-Clause
#
# rename-command: other names, names taken away, and where which name is meant.

tags quick

set folder [file join $::server::root rename]
file delete -force $folder
file mkdir $folder

# Starts a server with these lines, which it must refuse with the reason.
proc expect_refused {reason args} {
    set path [file join $::folder refused.conf]
    set file [open $path wb]
    puts -nonewline $file [join $args \n]
    close $file
    catch {exec timeout 20 $::server::binary $path --port 0 < /dev/null 2>@1} output
    set shown [lindex $args end]
    expect_match $output "*FATAL CONFIG FILE ERROR*at line [llength $args]\n>>> '$shown'\n$reason\n*"
}

test "what is refused" {
    set wrong "Bad directive or wrong number of arguments"
    expect_refused $wrong "rename-command"
    expect_refused $wrong "rename-command get"
    expect_refused $wrong "rename-command get a b"
    set unknown "No such command in rename-command"
    expect_refused $unknown "rename-command nothing x"
    expect_refused $unknown {rename-command "" x}
    expect_refused $unknown "rename-command get x" "rename-command GET y"
    expect_refused $unknown {rename-command get ""} {rename-command get ""}
    set taken "Target command name already exists"
    expect_refused $taken "rename-command get SET"
    expect_refused $taken "rename-command get a" "rename-command set A"
}

test "a subcommand has no other name" -only cogwheel {
    expect_refused "No such command in rename-command" "rename-command client|list x"
}

set long [string repeat "long" 30]

with_server [list rename-command {GET MyGet} rename-command {DEL ""} rename-command {CLIENT klient} \
        rename-command {EXEC finish} rename-command {multi "b i"} Rename-Command {set GET} \
        rename-command {expire a} rename-command {a b} rename-command {ttl TTL} \
        rename-command "OBJECT $long" rename-command {xinfo "\xe4\x00"} \
        rename-command {subscribe sub} enable-debug-command yes] {
    test "called by the new name, in any case" -resp {2 3} {
        expect [r get k v] OK
        expect [r MYGET k] v
        expect [r myget k] v
        expect [r b k 100] 1
        expect [r TTL k] 100
        expect [r $long encoding k] embstr
        expect [r [string toupper $long] ENCODING k] embstr
        expect_error "ERR no such key" {r "\xe4\x00" stream nothing}
        expect_error "ERR unknown command '\xc4', with args beginning with: 'stream' *" {
            r "\xc4\x00" stream nothing
        }
    }

    test "not by the old one" -resp {2 3} {
        expect_error "ERR unknown command 'set', with args beginning with: 'k' 'v' " {r set k v}
        expect_error "ERR unknown command 'DEL', with args beginning with: 'k' " {r DEL k}
        expect_error "ERR unknown command 'client', with args beginning with: 'list' " {
            r client list
        }
        expect_error "ERR unknown command 'a', with args*" {r a k 1}
        expect_error "ERR unknown command 'xinfo'*" {r xinfo help}
    }

    test "errors name the command, and help the word that was sent" {
        expect_error "ERR wrong number of arguments for 'set' command" {r get k}
        expect_error "ERR wrong number of arguments for 'expire' command" {r b k}
        expect_error "ERR wrong number of arguments for 'client|setname' command" {
            r klient setname
        }
        expect_error "ERR unknown subcommand 'nothing'. Try KLIENT HELP." {r Klient nothing}
        expect_error "ERR unknown subcommand 'nothing'. Try [string toupper $long] HELP." {
            r $long nothing
        }
        expect_error "ERR unknown subcommand 'x'. Try \xe4 HELP." {r "\xe4\x00" x}
        expect [lindex [r klient help] 0] \
            "KLIENT <subcommand> \[<arg> \[value\] \[opt\] ...\]. Subcommands are:"
        expect [lindex [r $long help] 0] \
            "[string toupper $long] <subcommand> \[<arg> \[value\] \[opt\] ...\]. Subcommands are:"
        expect_match [r klient list] "*cmd=client|list*"
    }

    test "MULTI" {
        expect [r "B I"] OK
        expect [r get k 1] QUEUED
        expect [r myget k] QUEUED
        expect [r finish] {OK 1}
        r "b i"
        r myget k
        expect_error "ERR unknown command 'exec'*" {r exec}
        expect_error "EXECABORT *" {r finish}
        expect_error "ERR EXEC without MULTI" {r finish}
        expect_error "ERR DISCARD without MULTI" {r discard}
    }

    test "while subscribed" {
        set c [client]
        $c sub ch
        expect_error "ERR Can't execute 'get': only*" {$c myget k}
        expect_error "ERR unknown command 'subscribe'*" {$c subscribe x}
    }

    test "COMMAND tells of what can be called, under names of old" {
        expect [lindex [r COMMAND INFO get] 0 0] set
        expect [lindex [r COMMAND INFO myget] 0 0] get
        expect [lindex [r COMMAND INFO klient|list] 0 0] client|list
        expect [r COMMAND INFO del client|list client] {(nil) (nil) (nil)}
        expect [lindex [r COMMAND DOCS get] 0] set
        expect [r COMMAND DOCS del client client|list] {}
        expect [r COMMAND GETKEYS get k v] k
        expect_error "ERR Invalid command specified" {r COMMAND GETKEYS set k v}
        set all [r COMMAND LIST]
        expect [lsearch $all del] -1
        expect_true {[lsearch $all get] >= 0 && [lsearch $all client|list] >= 0}
        expect_set [r COMMAND LIST FILTERBY PATTERN {[mk]?et}] {mset mget}
        expect [llength [r COMMAND]] [r COMMAND COUNT]
        expect [expr {[llength [r COMMAND DOCS]] / 2}] [r COMMAND COUNT]
    }

    test "rules of users mean names of old" {
        expect [r ACL SETUSER one on nopass ~* +get] OK
        expect_error "ERR Error in ACL SETUSER modifier '+myget': Unknown command*" {
            r ACL SETUSER one +myget
        }
        expect_error "ERR Error in ACL SETUSER modifier '+klient|list': Unknown command*" {
            r ACL SETUSER one +klient|list
        }
        expect [r ACL SETUSER one +del +client|list] OK
        expect_set [dict get [r ACL GETUSER one] commands] "-@all +get +del +client|list"
        expect_true {[lsearch [r ACL CAT keyspace] del] >= 0}
        expect [r ACL DRYRUN one myget k] OK
        expect [r ACL DRYRUN one get k v] \
            "This user has no permissions to run the 'set' command"
        expect_error "ERR Command 'del' not found" {r ACL DRYRUN one del k}
        set c [client]
        $c AUTH one x
        expect [$c myget k] (nil)
        expect_match [$c klient list] "*user=one*"
        expect_error "NOPERM *'set' command" {$c get k v}
        r ACL DELUSER one
    }

    test "statistics keep names of old" {
        r CONFIG RESETSTAT
        r myget k
        catch {r get k}
        r klient id
        set stats [r INFO commandstats]
        expect_match $stats "*cmdstat_get:calls=1,*"
        expect_match $stats "*cmdstat_client|id:calls=1,*"
        expect_true {![string match *myget* $stats] && ![string match *klient* $stats]}
        expect [lindex [r LATENCY HISTOGRAM myget] 0] get
        expect [lindex [r LATENCY HISTOGRAM klient] 0] client|id
        expect [r LATENCY HISTOGRAM get client nothing] {}
    }

    test "CONFIG knows nothing of it, and REWRITE keeps the lines" {
        expect [r CONFIG GET rename-command] {}
        expect_error "ERR Unknown option or number of arguments for CONFIG SET -\
            'rename-command'" {r CONFIG SET rename-command {get x}}
        set path [srv dir]/redis.conf
        proc renames {path} {
            return [lsearch -all -inline -nocase [split [server::read_file $path] \n] rename-*]
        }
        set before [renames $path]
        expect [llength $before] 12
        r CONFIG REWRITE
        expect [renames $path] $before
    }
}

with_server {rename-command {hello hi} rename-command {auth ""} requirepass x} {
    test "before a password" -keep yes {
        set c [client::open -port [srv port]]
        expect_error "NOAUTH HELLO must be called with*" {$c hi 3}
        expect_error "NOAUTH Authentication required." {$c ping}
        expect_error "ERR unknown command 'auth'*" {$c auth x}
        expect [dict get [$c hi 2 AUTH default x] proto] 2
        expect [$c ping] PONG
        client::close $c
    }
}
