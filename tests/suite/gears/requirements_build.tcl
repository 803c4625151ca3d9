# SPDX-License-Identifier: BSD-3-Clause
#
# Requirements that are built from their sources, what the system's Python has, and what becomes of
# them where something is missing: pip, room on the disk. See requirements.tcl, too.

source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

tags slow

set packages [file join [pwd] build test-sources-[pid]]
set ::env(PIP_NO_INDEX) 1
set ::env(PIP_FIND_LINKS) $packages

proc make_sdist {name args} {
    exec [file join [pwd] tests support make_sdist] $::packages $name 1.0 {*}$args
}
make_sdist built
make_sdist needy --needs nothing_of_that_name
make_sdist failing --backend "raise Exception('the backend said no')"
make_sdist large --backend "open('data', 'wb').write(bytes(6 << 20))\nimport time\ntime.sleep(1000)"
make_sdist many --backend "for n in 'ab': open(n, 'wb').write(bytes(3 << 20))\nimport time\ntime.sleep(1000)"
make_sdist endless --backend "import subprocess\nsubprocess.run(\['sleep', '98765'\])"
make_sdist nosy --backend "import os
for fd in os.listdir('/proc/self/fd'):
    try: name = os.readlink('/proc/self/fd/' + fd)
    except OSError: continue
    assert not name.startswith('socket:'), name"
exec [file join [pwd] tests support make_wheel] $packages wheely 1.0 --needs built==1.0

proc py {script args} { r RG.PYEXECUTE $script {*}$args }
proc names {} { lmap req [r RG.PYDUMPREQS] { dict get $req Name } }
proc version_of {module args} {
    lindex [py "import $module\nGB('ShardsIDReader').map(lambda r: $module.version).run()" {*}$args] 0
}
proc refused {text args} { expect_error $text {py 1 {*}$args} }

set no_wheels "Could not satisfy requirements (look at redis log file for more information)"

# What a server has started.
proc children_of {pid} {
    lmap line [split [exec ps -eo pid=,ppid=] \n] {
        lassign $line child parent
        if {$parent != $pid} continue
        set child
    }
}

with_server {enable-gears-requirements yes} {
    test "sources are built only where that is allowed" -needs python {
        refused $no_wheels REQUIREMENTS built
        refused $no_wheels REQUIREMENTS wheely
        refused "*gears-requirements-sources is on*" \
            REQUIREMENTS "built @ file://$packages/built-1.0.tar.gz"
        refused "*gears-requirements-sources is on*" REQUIREMENTS $packages/built-1.0.tar.gz
        expect [names] {}
    }
}

with_server {enable-gears-requirements yes gears-requirements-sources yes} {
    test "a package that is built from its sources" -needs python {
        expect [version_of built REQUIREMENTS built] 1.0
        set req [lindex [r RG.PYDUMPREQS] 0]
        expect [dict get $req Name] built
        expect [dict get $req Wheels] built-1.0-py3-none-any.whl
        # a wheel that needs it has it
        expect [version_of wheely REQUIREMENTS wheely] 1.0
    }

    test "by its file" -needs python {
        wait_for {[tcl::mathop::+ {*}[lmap q [r RG.PYDUMPREQS] {dict get $q RefCount}]] == 0}
        expect [version_of built FORCE_REINSTALL_REQUIREMENTS \
                    REQUIREMENTS "built @ file://$packages/built-1.0.tar.gz"] 1.0
    }

    test "a backend that fails, or needs what isn't there" -needs python {
        foreach name {failing needy} {
            refused $no_wheels REQUIREMENTS $name
            expect [lsearch [names] $name] -1
        }
        expect_match [srv log] "*the backend said no*"
        expect_match [srv log] "*No matching distribution found for nothing_of_that_name*"
        wait_for {[children_of [srv pid]] eq {}}
    }

    test "a backend sees nothing of the server's" -needs python {
        expect [version_of nosy REQUIREMENTS nosy] 1.0
    }
}

with_server {enable-gears-requirements yes gears-requirements-sources yes
        gears-requirements-max-time 4} {
    test "a backend that doesn't end goes, with what it started" -needs python {
        refused "Could not satisfy requirements: it took longer than gears-requirements-max-time" \
            REQUIREMENTS endless
        wait_for {[children_of [srv pid]] eq {}}
        expect [r RG.PYDUMPREQS] {}
        wait_for {![string match "*sleep 98765*" [exec ps -eo args=]]}
    }
}

with_server {enable-gears-requirements yes gears-requirements-sources yes
        gears-requirements-max-size 4mb} {
    test "a backend that takes too much room" -needs python {
        # A single file as large as all may be can't be written; or all of it is too much.
        expect_true {[catch {py 1 REQUIREMENTS large} text]}
        expect_match $text "Could not satisfy requirements*"
        wait_for {[children_of [srv pid]] eq {}}
        expect [version_of built REQUIREMENTS built] 1.0
    }

    test "what a backend that was ended had written doesn't count against the next" -needs python {
        expect_error "Could not satisfy requirements: they are larger than*" {
            py 1 REQUIREMENTS many
        }
        expect [version_of built FORCE_REINSTALL_REQUIREMENTS REQUIREMENTS built] 1.0
    }
}

# ---- the system's packages ----

with_server {gears-system-packages yes} {
    test "a library in C, of all sessions" -needs python {
        foreach id {one two} {
            expect [r RG.PYEXECUTE {
import numpy
def norm(r): return float(numpy.linalg.norm(numpy.arange(r)))
def some():
    for i in (1, 4, 5): yield i
GB('PythonReader').map(norm).map(lambda x: round(x, 3)).sort().run(some)
            } ID $id] {{0.0 3.742 5.477} {}}
        }
        # Its values are results like others, and an error of its is one.
        expect [py "import numpy\nGB('ShardsIDReader').map(lambda r: numpy.arange(3)).run()"] \
            [list [list {[0 1 2]}] {}]
        expect_match [py "import numpy\nGB('ShardsIDReader')\
            .map(lambda r: numpy.ones(2) + numpy.ones(3)).run()"] "{} *broadcast*"
        # One in C that is always there.
        expect [py "import lzma\nGB('ShardsIDReader')\
            .map(lambda r: lzma.decompress(lzma.compress(b'x')) == b'x').run()"] {True {}}
    }
}

# ---- what is missing ----

# Runs the program that fetches and installs, as the server does: in a session of its own, which it
# may end as a whole, and with a stdin that doesn't end. `before` comes first, in Python; `around` is
# what it is run by. Returns whether it failed, and what it said.
exec mkfifo [file join $packages stdin]
proc packages_program {around before args} {
    set code "import sys\n$before
exec(compile(open('src/gears/packages.py').read(), 'packages', 'exec'))"
    set stdin [file join $::packages stdin]
    set failed [catch {exec setsid -w sh -c "exec \"\$@\" 0<>$stdin" sh {*}$around \
                           /usr/bin/python3 -I -c $code {*}$args 2>@1} said]
    return [list $failed $said]
}

with_server {} {
    test "a Python without pip" -needs python {
        set root [file join $packages root]
        file mkdir $root
        lassign [packages_program {} "sys.modules\['pip'\] = sys.modules\['ensurepip'\] = None" \
            $root 0 env plain] failed said
        expect $failed 1
        expect_match $said \
            "*error the server's Python has no pip (Debian: python3-venv, python3-pip)*"
    }

    test "a disk that is full" -needs python {
        set root [file join $packages small]
        file mkdir $root
        if {![catch {exec unshare -rm true}]} {
            set mount "mount -t tmpfs -o size=8k none $root && exec \"\$@\""
            lassign [packages_program [list unshare -rm sh -c $mount sh] "" $root 0 env plain] \
                failed said
            expect $failed 1
            expect_match $said "*No space left on device*"
        }
        # Where nothing may be mounted, the limit of a file's size has to do.
        lassign [packages_program {} "" $root 100 env plain] failed said
        expect $failed 1
        expect_match $said "*"
    }
}

file delete -force $packages
