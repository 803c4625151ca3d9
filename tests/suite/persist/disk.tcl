# SPDX-License-Identifier: BSD-3-Clause
#
# Disks that are full, folders that can't be written to, files that have vanished, and folders where
# files should be: what was there stays as it was, nothing half done is left beside it, the client
# hears of it, and the server goes on.

tags quick

set ::folder [file join $::server::root disk-[pid]]
file mkdir $::folder

proc write_file {path text} {
    set f [open $path wb]
    puts -nonewline $f $text
    close $f
}

proc runs {args} { expr {![catch {exec {*}$args 2>@1}]} }

# How a program gets a small disk of its own, gone with the program: a file system in a namespace,
# seen from here through the program's root; or else a limit on its files.
proc small_disk {} {
    foreach way {{unshare -m} {unshare -rm}} {
        if {[runs {*}$way sh -c "mount -t tmpfs -o size=64k tmpfs $::folder"]} { return $way }
    }
    return {}
}

# A server with files of 20 KB on such a disk. Sets pid, c, dir.
proc start_on_small_disk {} {
    upvar 1 pid pid c c dir dir
    set port [server::free_port]
    set dir $::folder
    set rest "# [string repeat x 20000]\n"
    set files [list redis.conf "port $port\naclfile $dir/users.acl\nsave \"\"\n$rest" users.acl ""]
    set way [small_disk]
    if {$way eq {}} {
        foreach {name text} $files { write_file $dir/$name $text }
        set pid [spawn sh -c {ulimit -f 64; exec "$0" "$@"} $::server::binary $dir/redis.conf \
            --dir $dir --enable-debug-command yes]
    } else {
        set aside [file join $::server::root aside-[pid]]
        file mkdir $aside
        foreach {name text} $files { write_file $aside/$name $text }
        set pid [spawn {*}$way sh -c {mount -t tmpfs -o size=64k tmpfs "$2" && cp "$3"/* "$2" &&
            exec "$1" "$2/redis.conf" --dir "$2" --enable-debug-command yes} sh \
            $::server::binary $dir $aside]
    }
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    if {$way ne {}} { set dir /proc/$pid/root$dir }
}

# What is on the disk, asked of programs: Tcl would follow /proc/PID/root to our own file system.
proc names {dir} { lsort [split [exec ls $dir] \n] }
proc text_of {path} { exec cat $path }

# Nothing more fits; with a limit on files, nothing large does.
proc fill_disk {dir} { catch {exec dd if=/dev/zero of=$dir/filler bs=1k count=64 2>@1} }

test "a full disk" {
    start_on_small_disk
    $c ACL SETUSER first on nopass
    $c SET k v
    foreach command {{CONFIG REWRITE} {ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    foreach file {redis.conf users.acl dump.rdb} { set was($file) [text_of $dir/$file] }
    fill_disk $dir
    $c CONFIG SET rdbcompression no maxmemory 100mb client-output-buffer-limit "pubsub 1 2 3"
    $c CONFIG SET proc-title-template [string repeat y 30000]
    for {set i 0} {$i < 50} {incr i} { $c ACL SETUSER user$i ~[string repeat z 1000] }
    $c SET big [string repeat x 100000]
    for {set round 0} {$round < 3} {incr round} {
        expect_error "ERR Rewriting config file: *" {$c CONFIG REWRITE}
        expect_error "ERR There was an error trying to save the ACLs. Please check the server logs\
            for more information" {$c ACL SAVE}
        expect_error "ERR*" {$c SAVE}
        expect [$c BGSAVE] {Background saving started}
        wait_for {[string match "*rdb_bgsave_in_progress:0*" [$c INFO persistence]]}
        expect_match [$c INFO persistence] "*rdb_last_bgsave_status:err*"
        foreach file [array names was] { expect [text_of $dir/$file] $was($file) }
        expect [names $dir] {dump.rdb filler redis.conf users.acl}
    }
    expect_error "ERR Errors trying to SHUTDOWN. Check logs." {$c SHUTDOWN SAVE}
    expect [$c GET k] v
    # when there is room again, all is as if nothing had been
    exec rm $dir/filler
    $c DEL big
    for {set i 0} {$i < 50} {incr i} { $c ACL DELUSER user$i }
    $c CONFIG SET proc-title-template {{title}x}
    foreach command {{CONFIG REWRITE} {ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    expect [names $dir] {dump.rdb redis.conf users.acl}
    expect_match [text_of $dir/redis.conf] "*maxmemory 100mb*"
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

# A server on a folder of its own, without a superuser's right to write anywhere. Sets pid, c, dir.
proc start_in_own_folder {name args} {
    upvar 1 pid pid c c dir dir
    set port [server::free_port]
    set dir $::folder/$name
    file mkdir $dir
    write_file $dir/redis.conf "port $port\naclfile $dir/users.acl\nsave \"\"\n"
    write_file $dir/users.acl ""
    set plain {setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all}
    if {![runs {*}$plain true]} { set plain {} }
    set pid [spawn {*}$plain $::server::binary $dir/redis.conf --dir $dir {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    foreach command {{CONFIG REWRITE} {ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    $c CONFIG SET maxmemory 100mb
    $c ACL SETUSER second
    $c SET k v
}

proc end_of {pid c} {
    catch {$c SHUTDOWN NOSAVE}
    spawn_wait $pid
}

proc expect_nothing_is_saved {c} {
    expect_error "ERR Rewriting config file: *" {$c CONFIG REWRITE}
    expect_error "ERR There was an error trying to save the ACLs*" {$c ACL SAVE}
    expect_error "ERR*" {$c SAVE}
    expect [$c BGSAVE] {Background saving started}
    wait_for {[string match "*rdb_bgsave_in_progress:0*" [$c INFO persistence]]}
    expect_match [$c INFO persistence] "*rdb_last_bgsave_status:err*"
    expect [$c GET k] v
}

test "a folder that can't be written to" {
    start_in_own_folder readonly
    set files [names $dir]
    foreach file $files { set was($file) [server::read_file $dir/$file] }
    file attributes $dir -permissions 0555
    try {
        expect_nothing_is_saved $c
        expect [names $dir] $files
        foreach file $files { expect [server::read_file $dir/$file] $was($file) }
    } finally {
        file attributes $dir -permissions 0755
    }
    foreach command {{CONFIG REWRITE} {ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    end_of $pid $c
}

test "folders where files should be" {
    start_in_own_folder folders
    set files [names $dir]
    foreach file $files {
        file delete $dir/$file
        file mkdir $dir/$file/x
    }
    expect_nothing_is_saved $c
    # stock takes a folder for an empty file, and forgets all users
    if {$::server::kind eq "cogwheel"} { expect_error "ERR*" {$c ACL LOAD} }
    expect [names $dir] $files
    foreach file $files { file delete -force $dir/$file }
    foreach command {{ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    end_of $pid $c
}

test "files that have vanished are made again" {
    start_in_own_folder vanished
    foreach file [names $dir] { file delete $dir/$file }
    expect_error "ERR*" {$c ACL LOAD}
    expect_true {"second" in [$c ACL USERS]}
    foreach command {{CONFIG REWRITE} {ACL SAVE} SAVE} { expect [$c {*}$command] OK }
    expect [names $dir] {dump.rdb redis.conf users.acl}
    expect_match [server::read_file $dir/redis.conf] "*maxmemory 100mb*"
    expect_match [server::read_file $dir/users.acl] "*user second *"
    end_of $pid $c
}

test "a folder that has vanished" {
    start_in_own_folder gone
    file delete -force $dir
    expect_nothing_is_saved $c
    expect [file exists $dir] 0
    file mkdir $dir
    end_of $pid $c
}

# Starts a server whose small disk is full from its start. Sets pid, c, dir.
proc start_on_full_disk {args} {
    upvar 1 pid pid c c dir dir
    set port [server::free_port]
    set pid [spawn {*}[small_disk] sh -c {mount -t tmpfs -o size=64k tmpfs "$2"
        dd if=/dev/zero of="$2/filler" bs=1k count=64 2> /dev/null
        binary=$1 && shift 2 && exec "$binary" "$@"} sh $::server::binary $::folder \
        --port $port --save "" --dir $::folder {*}$args]
    wait_for {![catch {set c [client::open -port $port]; $c PING}]}
    set dir /proc/$pid/root$::folder
}

if {[small_disk] eq {}} { puts "@note   persist/disk: no full file system may be made here" } else {
    test "a pid file on a full disk" -only cogwheel {
        start_on_full_disk --pidfile $::folder/pid
        expect [names $dir] filler
        end_of $pid $c
    }

    test "a log on a full disk" {
        start_on_full_disk --logfile $::folder/log --enable-debug-command yes
        for {set i 0} {$i < 10} {incr i} { expect [$c DEBUG LOG [string repeat x 500]] OK }
        exec rm $dir/filler
        expect [$c DEBUG LOG "there is room again"] OK
        expect_match [text_of $dir/log] "*there is room again*"
        end_of $pid $c
    }
}
