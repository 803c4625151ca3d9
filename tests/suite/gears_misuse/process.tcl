# SPDX-License-Identifier: BSD-3-Clause
#
# What a script may try on the process that it shares with the database: end it, fork it, move it,
# take its signals, its locale, its limits, its descriptors. Each is refused or without effect on
# the server; afterwards others are served, and scripts work.

tags quick
source -encoding utf-8 [file join [file dirname [info script]] ../../support/gears.tcl]

with_server {} {
    test "sys.exit ends the script, not the server" -needs python {
        expect_refused "*SystemExit: 3*" {import sys; sys.exit(3)}
        expect_refused "*SystemExit*" {exit()}
        expect_refused "*SystemExit*" {quit(1)}
        expect_refused "*SystemExit*" {raise SystemExit}
    }

    test "SystemExit in a step is an error of the record" -needs python {
        r SET k v
        lassign [run_harmless {
import sys
GB('KeysOnlyReader').map(lambda r: sys.exit(1)).run()
        }] results errors
        expect $results {}
        expect [llength $errors] 1
        expect_match [lindex $errors 0] "*SystemExit: 1*"
        lassign [run_harmless {
import _thread
GB('KeysOnlyReader').foreach(lambda r: _thread.exit()).run()
        }] results errors
        expect_match $errors "*SystemExit*"
    }

    test "the process isn't ended" -needs python {
        foreach call {os._exit(1) os.abort() "__import__('posix')._exit(0)"
            "__import__('posix').abort()" "__import__('signal').raise_signal(9)"
            "os.kill(os.getpid(), 9)" "os.kill(0, 15)" "os.kill(-1, 15)" "os.killpg(0, 15)"
            "os.killpg(os.getpgrp(), 15)" "__import__('faulthandler')._sigsegv()"
            "__import__('faulthandler')._fatal_error_c_thread()"
            "__import__('_thread').interrupt_main()"} {
            expect_refused "*PermissionError*" "import os\n$call"
        }
    }

    test "a process is signalled by its descriptor neither" -needs python {
        expect_refused "*PermissionError*" {
import os, signal
signal.pidfd_send_signal(os.pidfd_open(os.getpid()), 15)
        }
    }

    test "the process isn't forked or replaced" -needs python {
        foreach call {os.fork() os.forkpty()
            "os.execv('/bin/true', \['true'\])" "os.execvp('true', \['true'\])"
            "os.execl('/bin/true', 'true')" "__import__('posix').execve('/bin/true', \['true'\], {})"
            "os.execlpe('true', 'true', {})" "os.posix_spawn and os.fork()"} {
            expect_refused "*PermissionError*" "import os\n$call"
        }
        # Where there is no terminal to be had it fails before it comes to the fork.
        expect_refused "*Error*" "__import__('pty').fork()"
        expect_refused "*PermissionError*" {
import multiprocessing
p = multiprocessing.get_context('fork').Process(target=print)
p.start()
        }
    }

    test "the working directory stays" -needs python {
        set before [file readlink /proc/[srv pid]/cwd]
        foreach call {os.chdir('/tmp') "os.fchdir(os.open('/tmp', os.O_RDONLY))" os.chroot('/tmp')
            "__import__('posix').chdir('/tmp')"} {
            expect_refused "*PermissionError*" "import os\n$call"
        }
        expect [file readlink /proc/[srv pid]/cwd] $before
    }

    test "umask, identity and priority stay" -needs python {
        set status [server::read_file /proc/[srv pid]/status]
        regexp -line {^Umask:.*$} $status before
        foreach call {os.umask(0) os.setuid(1) os.setgid(1) os.setsid() "os.setpgid(0, 0)"
            os.nice(5) "os.setpriority(os.PRIO_PROCESS, 0, 19)" "os.sched_setaffinity(0, {0})"
            "os.setgroups(\[\])"} {
            expect_refused "*PermissionError*" "import os\n$call"
        }
        regexp -line {^Umask:.*$} [server::read_file /proc/[srv pid]/status] after
        expect $after $before
    }

    test "the locale stays: the server writes floats with a point" -needs python {
        expect_refused "*not allowed*" {
import locale
locale.setlocale(locale.LC_ALL, 'C')
        }
        expect_refused "*not allowed*" {
import _locale
_locale.setlocale(_locale.LC_NUMERIC, 'de_DE.UTF-8')
        }
        expect_harmless OK {
import locale
assert locale.setlocale(locale.LC_NUMERIC) == 'C'
locale.localeconv()
        }
        r SET f 1.5
        expect [r INCRBYFLOAT f 1.25] 2.75
        r HSET h f 0.5
        expect [r HINCRBYFLOAT h f 0.25] 0.75
    }

    test "limits stay" -needs python {
        set before [server::read_file /proc/[srv pid]/limits]
        expect_refused "*PermissionError*" {
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))
        }
        expect_refused "*PermissionError*" {
import resource
resource.prlimit(0, resource.RLIMIT_CPU, (1, 1))
        }
        expect [server::read_file /proc/[srv pid]/limits] $before
    }

    test "descriptors that aren't the script's stay open" -needs python {
        set before [lsort [glob -tails -directory /proc/[srv pid]/fd *]]
        foreach call {"os.closerange(0, 1000)" "__import__('posix').closerange(3, 50)"
            os.close(0) os.close(1) os.close(2) "os.dup2(os.open('/dev/null', 0), 1)"
            "os.fdopen(1, 'w').close()" "open(2, 'wb').close()"} {
            expect_refused "*PermissionError*" "import os\n$call"
        }
        foreach fd {0 1 2} { file readlink /proc/[srv pid]/fd/$fd }
        # Neither the listening sockets, nor the poll, nor the log.
        expect_harmless OK {
import os
for fd in range(0, 20):
    try: target = os.readlink('/proc/self/fd/%d' % fd)
    except OSError: continue
    if 'eventpoll' not in target and 'eventfd' not in target: continue
    try:
        os.close(fd)
        raise Exception('closed ' + target)
    except PermissionError:
        pass
        }
        foreach fd $before {
            if {![file exists /proc/[srv pid]/fd/$fd]} continue
            lappend still $fd
        }
        expect_true {[llength $still] >= [llength $before] - 2}
        r SET k v
        expect [r GET k] v
    }

    test "a script's own descriptors are its own" -needs python {
        expect_harmless OK {
import os, tempfile, socket
r, w = os.pipe()
assert not os.get_inheritable(r)
os.close(r)
try:
    os.write(w, b'x')
    raise Exception('no SIGPIPE, no error')
except BrokenPipeError:
    pass
os.close(w)
with tempfile.TemporaryFile() as f:
    f.write(b'x')
a, b = socket.socketpair()
b.close()
try:
    a.send(b'x'); a.send(b'x')
except BrokenPipeError:
    pass
a.close()
        }
    }

    test "no descriptor is inherited by a subprocess" -needs python {
        set reply [misuse {
import subprocess
out = subprocess.run(['/bin/ls', '-l', '/proc/self/fd'], capture_output=True, close_fds=False,
                     text=True).stdout
execute('set', 'fds', out)
        }]
        expect $reply {simple OK}
        foreach line [lrange [split [string trim [r GET fds]] \n] 1 end] {
            expect_match $line {*[0-9] -> *}
            regexp {(\d+) -> (.*)$} $line -> fd target
            # What the server was given by its parent isn't its own.
            expect_true {![string match socket:* $target] && ![string match anon_inode:* $target]}
        }
        expect_unhurt
    }

    test "subprocesses run, end, and can be told to" -needs python {
        expect_harmless OK {
import subprocess, os
assert subprocess.run(['/bin/echo', 'hello'], capture_output=True).stdout == b'hello\n'
p = subprocess.Popen(['/bin/sleep', '1000'])
p.terminate()
assert p.wait(timeout=20) == -15
assert subprocess.run('exit 3', shell=True).returncode == 3
assert os.system('exit 4') == 4 << 8
        }
    }

    test "signals stay the server's" -needs python -down yes {
        foreach call {"signal.signal(signal.SIGTERM, signal.SIG_IGN)"
            "__import__('_signal').signal(15, 1)" signal.alarm(1)
            "signal.setitimer(signal.ITIMER_REAL, 0.001)" "signal.siginterrupt(15, True)"
            "signal.set_wakeup_fd(-1)" "signal.pthread_kill(1, 9)"} {
            expect_refused "*PermissionError*" "import signal\n$call"
        }
        # In its own thread a script may do what it likes.
        expect_harmless OK {
import signal
signal.pthread_sigmask(signal.SIG_UNBLOCK, range(1, 64))
        }
        server::signal [srv_id] TERM
    }

    test "input() finds nothing, print() goes to the log" -needs python {
        expect_refused "*EOFError*" {input('your name? ')}
        expect_refused "*BdbQuit*" {breakpoint()}
        expect_harmless OK {
import sys
print('printed by a script')
print('an unfinished line', end='', file=sys.stderr)
print('with a \0 and a \ud800', flush=True)
sys.stdout.write('x' * 100000)
assert sys.stdin.read() == ''
        }
        expect_match [srv log] "*printed by a script*"
    }

    test "faulthandler leaves the crash report alone" -needs python {
        foreach call {enable() "register(10)" dump_traceback_later(1) disable()} {
            expect_refused "*PermissionError*" "import faulthandler\nfaulthandler.$call"
        }
    }
}
