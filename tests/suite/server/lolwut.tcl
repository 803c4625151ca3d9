# SPDX-License-Identifier: BSD-3-Clause
#
# LOLWUT: sizes of pictures, and what is asked for wrongly.

tags quick

# The picture without its title, as lines.
proc picture {args} {
    set lines [split [encoding convertfrom utf-8 [r LOLWUT VERSION {*}$args]] \n]
    expect [lindex $lines end] ""
    expect_match [lindex $lines end-1] "*Redis ver. 7.0.15"
    return [lrange $lines 0 end-3]
}

with_server {} {
    test "the version alone" -resp {2 3} {
        foreach words {{} {x} {a b} {1 2 3 4 5} {VERSION} {VERSION 7} {VERSION -1} {VERSION 0}} {
            expect [r LOLWUT {*}$words] "Redis ver. 7.0.15\n"
        }
    }

    test "the type of the reply" {
        set c [client -resp 3]
        foreach words {{} {VERSION 5} {VERSION 6}} {
            expect [lrange [client::typed $c LOLWUT {*}$words] 0 1] {verbatim txt}
            expect [lindex [rt LOLWUT {*}$words] 0] bulk
        }
    }

    test "VERSION 5: squares" {
        foreach {words columns rows} {
            5 66 49   {5 66 8 12} 66 49   {5 1} 1 1   {5 2} 2 2   {5 10 1 1} 10 5
            {5 10 2 1} 10 3   {5 10 1 2} 10 9   {5 100 8 12} 100 75   {5 33 7 5} 33 12
            {5 1000 1 1} 1000 500   {5 0 0 0} 1 1   {5 -5 -5 -5} 1 1   {5 2000 8 12} 1000 750
            {5 40 201 1} 40 1
        } {
            set lines [picture {*}$words]
            expect [llength $lines] $rows
            foreach line $lines {
                expect [string length $line] $columns
                expect [regexp {^[\u2800-\u28ff]*$} $line] 1
            }
        }
        expect_match [lindex [picture 5] 0] "*\u2864*" ;# the first row is in order
    }

    test "VERSION 6: cells" {
        foreach {words columns rows} {
            6 80 20   {6 10} 10 20   {6 10 5} 10 5   {6 0 0} 1 1   {6 -1 -1} 1 1
            {6 2000 1} 1000 1   {6 1 2000} 1 1000   {6 3 3 3 3} 3 3
        } {
            set text [r LOLWUT VERSION {*}$words]
            set lines [lrange [split $text \n] 0 end-3]
            expect [llength $lines] $rows
            foreach line $lines {
                expect [regexp -all "\033\\\[0;\\d+;\\d+m \033\\\[0m" $line] $columns
            }
            expect_match $text "*Redis ver. 7.0.15\n"
        }
    }

    test "wrong calls" {
        set wrong "ERR value is not an integer or out of range"
        foreach words {{x} {5 x} {6 5 x} {5 1 1 x} {99999999999999999999}} {
            expect_error $wrong {r LOLWUT VERSION {*}$words}
        }
    }

    test "the largest" -only cogwheel {
        expect_true {[string length [r LOLWUT VERSION 5 1000 1 200]] < 20000000}
        r LOLWUT VERSION 5 1000 200 200
        r LOLWUT VERSION 6 1000 1000
    }
}
