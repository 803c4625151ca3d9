# SPDX-License-Identifier: BSD-3-Clause
#
# Users in files: `user` lines of the configuration, ACL LOAD, ACL SAVE.

tags quick

set folder [file join $::server::root acl-file]
file delete -force $folder
file mkdir $folder

proc acl_path {} { file join $::folder users.acl }

proc write_file {path text} {
    set file [open $path w]
    fconfigure $file -translation binary
    puts -nonewline $file $text
    close $file
}

proc read_file {path} {
    set file [open $path]
    fconfigure $file -translation binary
    set text [read $file]
    close $file
    return $text
}

with_server {user {a on >p ~a* +get (~b +set)}} {
    test "users of the configuration" {
        expect [lindex [r ACL LIST] 0] "user a on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~a* resetchannels -@all +get (~b resetchannels -@all +set)"
        expect [r ACL USERS] {a default}
        expect [r CONFIG GET user] {}
        expect_error "ERR Unknown option or number of arguments*" { r CONFIG SET user "b on" }
        expect_error "ERR This Redis instance is not configured to use an ACL file.*" { r ACL LOAD }
        expect_error "ERR This Redis instance is not configured to use an ACL file.*" { r ACL SAVE }
    }
}

with_server {user {default on nopass allcommands allkeys} requirepass foo} {
    test "a line for the default user counts more than requirepass" {
        expect [r ACL LIST] {{user default on nopass sanitize-payload ~* resetchannels +@all}}
        expect [r CONFIG GET requirepass] {requirepass foo}
    }
}

write_file [acl_path] "user a on nopass allkeys allchannels allcommands\n"

with_server [list aclfile [acl_path]] {
    test "the file is read, saved, read again" {
        r ACL SETUSER b on >p "~b*" "(+get ~c)"
        expect [r ACL SAVE] OK
        set text [read_file [acl_path]]
        expect $text "user a on nopass ~* &* +@all\nuser b on #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~b* resetchannels -@all (~c resetchannels -@all +get)\nuser default on nopass ~* &* +@all\n"
        expect [llength [glob -directory $::folder users.acl*]] 1
        r ACL SETUSER b reset
        r ACL SETUSER c on
        expect [r ACL LOAD] OK
        expect [join [r ACL LIST] \n]\n $text
    }

    test "who isn't the default user is disconnected" {
        set c [client]
        $c AUTH a x
        expect [r ACL LOAD] OK
        expect_error "*" { $c PING }
        expect [r PING] PONG
    }

    test "blank lines, blanks, the last line" {
        write_file [acl_path] "\n  user x on nopass &q  ~z \t \r\n\nuser y"
        expect [r ACL LOAD] OK
        expect [r ACL LIST] {{user default on nopass ~* &* +@all} {user x on nopass ~z resetchannels &q -@all} {user y off resetchannels -@all}}
    }

    test "what is wrong is told, and nothing changes" {
        set before [r ACL LIST]
        set end "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        set path [acl_path]
        foreach {text error} {
            "user a +@foo"
            "%:1: Error in applying operation '+@foo': Unknown command or category name in ACL. "
            "user a foo +@foo bar\nusr b\nuser a on\nuser"
            "%:1: Syntax error. %:1: Error in applying operation '+@foo': Unknown command or category name in ACL. %:2 should start with user keyword followed by the username. WARNING: Duplicate user 'a' found on line 3. %:4 should start with user keyword followed by the username. "
            "user a (~x +get\nuser b #abc"
            "%:1: Unmatched parenthesis in selector definition.%:2: The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters. "
            "# a comment"
            "%:1 should start with user keyword followed by the username. "
            "user a ~* ~x (foo)"
            "%:1: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns. "
        } {
            write_file $path $text
            set got ""
            catch { r ACL LOAD } got
            set want "ERR [string map [list % [file tail $path]] $error]$end"
            expect [string map [list $path [file tail $path]] $got] $want
        }
        expect [r ACL LIST] $before
    }

    test "a NUL in the file is a syntax error" -only cogwheel {
        write_file [acl_path] "user a on\0 off\n"
        expect_error "*:1: Syntax error. *" { r ACL LOAD }
    }

    test "a file that isn't there, or can't be written" {
        file delete [acl_path]
        expect_error "ERR Error loading ACLs, opening file '*users.acl': No such file or directory" {
            r ACL LOAD
        }
        file mkdir [acl_path]
        expect_error "ERR There was an error trying to save the ACLs. Please check the server logs*" {
            r ACL SAVE
        }
        expect [llength [glob -directory $::folder users.acl*]] 1
        file delete [acl_path]
    }

    test "many users" {
        set text ""
        for {set i 0} {$i < 5000} {incr i} { append text "user u$i on >p$i ~$i:* +get\n" }
        write_file [acl_path] $text
        expect [r ACL LOAD] OK
        expect [llength [r ACL USERS]] 5001
        set c [client]
        expect [$c AUTH u4999 p4999] OK
        expect [$c GET 4999:x] "(nil)"
        expect_error "NOPERM*" { $c GET 5000:x }
        client::close $c
        expect [r ACL SAVE] OK
        expect [llength [split [read_file [acl_path]] \n]] 5002
    }
}

test "what is refused at start" {
    set conf [file join $::folder start.conf]
    set acl [file join $::folder start.acl]
    write_file $acl "user a +@foo\n"
    foreach {text want} {
        "user a on foo" "*at line 2\n>>> 'user a on foo'\nError in user declaration 'a': Syntax error*"
        "user a on (~x +get" "*Error in user declaration 'a': Unknown command or category name in ACL*"
        "user a on\nuser a off" "*at line 3\n*'a': Duplicate user found. A user can only be defined once in config files*"
        "user" "*>>> 'user'\nBad directive or wrong number of arguments*"
        "user a +@foo" "*Error loading ACL rule '+@foo' for the user named 'a': Unknown command or category name in ACL*Critical error while loading ACLs. Exiting.*"
        "user \"a b\" on" "*Spaces not allowed in ACL usernames*Critical error*"
        "aclfile %\nuser b on" "*Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid.*"
        "aclfile %" "*Aborting Redis startup because of ACL errors: *:1: Error in applying operation '+@foo': Unknown command*"
        "aclfile %x" "*Aborting Redis startup because of ACL errors: Error loading ACLs, opening file '*': No such file*"
        "acl-pubsub-default foo" "*argument(s) must be one of the following: allchannels, resetchannels*"
    } {
        write_file $conf "port 0\n[string map [list % $acl] $text]\nunixsocket $::folder/sock\n"
        expect_match [lindex [run_server $conf] 1] $want
    }
}
