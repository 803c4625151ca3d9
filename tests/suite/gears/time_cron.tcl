# SPDX-License-Identifier: BSD-3-Clause
#
# A cron expression on a real clock: its finest grain is a minute.

tags slow

with_server {} {
    test "a cron expression that comes every minute" -needs python {
        r RG.PYEXECUTE "GB('TimeReader').foreach(lambda r: execute('set', 'time', r\['time'\]))\
            .register(cron='* * * * *')"
        wait_for {[r EXISTS time]} -within 75000
        expect [expr {[r GET time] % 60000}] 0
        expect_near [r GET time] [clock milliseconds] 20000
        expect [dict get [lindex [r RG.DUMPREGISTRATIONS] 0] RegistrationData args next] [expr {[r GET time] + 60000}]
    }
}
