# SPDX-License-Identifier: BSD-3-Clause
#
# Random pipelines of all operations over random records and keys, run by the server and by a plain
# model of what operations mean (tests/support/gears_model.py).

tags quick
set model [file normalize [file join [file dirname [info script]] ../../support/gears_model.py]]

with_server {} {
    foreach {count offset} {400 0 400 1} {
        test "random pipelines agree with the model, part $offset" -needs python {
            set seed [expr {$::suite::seed + $offset}]
            set got [spawn_wait [spawn /usr/bin/python3 $model [srv port] $seed $count]]
            expect_match $got "$count pipelines agree, *"
        }
    }
}
