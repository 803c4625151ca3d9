# SPDX-License-Identifier: BSD-3-Clause
#
# Programs of a client in Python whose functions travel as pickles.

tags quick
set remote [file normalize [file join [file dirname [info script]] ../../support/gears_remote.py]]

with_server {} {
    test "functions that a client has pickled" -needs python {
        expect_match [spawn_wait [spawn /usr/bin/python3 $remote [srv port]]] "8 programs agree*"
    }

    test "a pickle that isn't one" -needs python {
        foreach bytes {{b''} {b'.'} {b'cposix\nsystem\n.'} {b'\x80\x05\x95' + b'\xff' * 8}} {
            set script "import cloudpickle\nf = cloudpickle.loads($bytes)\nGB('PythonReader').map(f).run()"
            expect_error "*" {r RG.PYEXECUTE $script}
            expect [r PING] PONG
        }
    }
}
