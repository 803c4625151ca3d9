# SPDX-License-Identifier: BSD-3-Clause
#
# StreamReader's run(): the entries of a stream as records.

tags quick

proc run {args} { r RG.PYEXECUTE [join $args \n] }

with_server {} {
    test "the entries of a stream, in order" -needs python -resp {2 3} {
        r DEL s
        r XADD s 1-1 a 1 b two
        r XADD s 1-2 a "" a last
        r XADD s 2-0 f \xff\xfe
        expect [run "GB('StreamReader').run('s')"] [list [list \
            "{'key': 's', 'id': '1-1', 'value': {'a': '1', 'b': 'two'}}" \
            "{'key': 's', 'id': '1-2', 'value': {'a': 'last'}}" \
            "{'key': 's', 'id': '2-0', 'value': {'f': bytearray(b'\\xff\\xfe')}}"] {}]
        foreach {from ids} {0-0 {1-1 1-2 2-0} 1-1 {1-2 2-0} 1 {1-1 1-2 2-0} 2-0 {}
                            18446744073709551615-18446744073709551615 {}} {
            expect [run "GB('StreamReader').map(lambda r: r\['id'\]).run('s', fromId='$from')"] \
                [list $ids {}]
        }
        expect [run "GB('StreamReader', 's').count().run()"] {3 {}}
    }

    test "no stream, another type, wrong arguments" -needs python {
        expect [run "GB('StreamReader').run('nostream')"] {{} {}}
        r SET str v
        expect_match [run "GB('StreamReader').run('str')"] "{} {*WRONGTYPE*}"
        expect_error "*fromId argument must be a string*" {run "GB('StreamReader').run('s', fromId=1)"}
        foreach bad {x 1-x -1 "" 1-2-3} {
            expect_error "*Invalid stream ID specified*" {
                run "GB('StreamReader').run('s', fromId='$bad')"
            }
        }
        expect_error "*regex argument must be a string*" {run "GB('StreamReader').run(5)"}
    }

    test "a large stream that grows and is trimmed while it is read" -needs python {
        r DEL big
        run "for i in range(20000): execute('XADD', 'big', '%d-1' % (i + 1), 'n', i)"
        expect [run "GB('StreamReader').count().run('big')"] {20000 {}}
        # what comes after the beginning isn't read, or this would have no end
        expect [run "GB('StreamReader').foreach(lambda r: execute('XADD', 'big', '*', 'n', 1))\
            .count().run('big')"] {20000 {}}
        expect [r XLEN big] 40000
        expect [run "GB('StreamReader').map(lambda r: int(r\['value'\]\['n'\])).limit(20000)\
            .aggregate(0, lambda a, r: a + r, lambda a, r: a + r).run('big')"] {199990000 {}}
        set got [run "GB('StreamReader').map(lambda r: execute('XTRIM', 'big', 'MAXLEN', 10))\
            .count().run('big')"]
        expect_true {[lindex $got 0 0] >= 10 && [lindex $got 0 0] <= 40000}
        expect [lindex $got 1] {}
        expect [r XLEN big] 10
    }
}
