# SPDX-License-Identifier: BSD-3-Clause
#
# SORT and SORT_RO: numbers and texts, BY, GET, LIMIT, STORE, and what each type brings along.

tags quick

with_server {} {
    test "numbers" {
        r RPUSH l 10 9 -3 2.5 1e2 0x10 9
        expect [r SORT l] {-3 2.5 9 9 10 0x10 1e2}
        expect [r SORT l DESC] {1e2 0x10 10 9 9 2.5 -3}
        expect [r SORT_RO l LIMIT 1 2] {2.5 9}
        expect [r SORT l LIMIT 100 2] {}
        expect [r SORT l LIMIT -5 1] -3
        expect [r SORT l LIMIT 5 -1] {0x10 1e2}
        expect [r SORT l LIMIT 9223372036854775807 9223372036854775807] {}
        expect [r SORT l LIMIT 0 0] {}
        expect [r SORT none] {}
        r SADD s 3 1 2
        expect [r SORT s] {1 2 3}
        r ZADD z 3 1 2 2 1 3
        expect [r SORT z] {1 2 3}
        expect [r OBJECT ENCODING z] skiplist
    }

    test "texts" {
        r DEL l
        r RPUSH l b a ab B {} 10 9
        expect [r SORT l ALPHA] {{} 10 9 B a ab b}
        expect [r SORT l ALPHA DESC LIMIT 0 2] {b ab}
        expect_error "ERR One or more scores can't be converted into double" {r SORT l}
        expect_error "ERR One or more scores can't be converted into double" {r SORT l STORE d}
        expect [r EXISTS d] 0
    }

    test "texts that are equal keep their order" {
        r DEL l
        r RPUSH l c a b z y x
        expect [r SORT l BY none_* ALPHA] {c a b z y x}
        expect [r SORT l BY none_* ALPHA DESC] {c a b z y x}
        r MSET w_a 1 w_x 1 w_b 2
        expect [r SORT l BY w_* ALPHA] {c z y a x b}
        expect [r SORT l BY w_* ALPHA DESC] {b a x c z y}
        expect [r SORT l BY w_* ALPHA STORE d] 6
        expect [r LRANGE d 0 -1] {c z y a x b}
        expect [r SORT l BY w_* ALPHA LIMIT 5 1] b
    }

    test "texts end at a NUL, unless they are stored" {
        r DEL l
        r RPUSH l a\0z b\0 a\0b a
        expect [r SORT l ALPHA] [list a\0z a\0b a b\0]
        expect [r SORT l ALPHA STORE d] 4
        expect [r LRANGE d 0 -1] [list a a\0b a\0z b\0]
        r MSET w_a x\0z w_b x\0a
        r DEL l
        r RPUSH l a b
        expect [r SORT l BY w_* ALPHA] {a b}
        expect [r SORT l BY w_* ALPHA STORE d] 2
        expect [r LRANGE d 0 -1] {b a}
    }

    test "BY and GET" {
        r FLUSHALL
        r RPUSH l 1 2 3
        r MSET w_1 30 w_2 10 w_3 20 v_1 one v_3 three
        r HSET h_1 f 1 g x
        r HSET h_2 f 3
        r HSET h_3 f 2 g z
        expect [r SORT l BY w_*] {2 3 1}
        expect [r SORT l BY w_* GET # GET v_* GET h_*->g] {2 (nil) (nil) 3 three z 1 one x}
        expect [r SORT l BY h_*->f DESC GET #] {2 3 1}
        expect [r SORT l BY w_* ALPHA] {2 3 1}
        expect [r SORT l BY v_* ALPHA] {2 1 3}
        expect [r SORT l BY none_* DESC] {3 2 1}
        expect [r SORT l GET nostar GET w_*->f GET h_*] {(nil) (nil) (nil) (nil) (nil) (nil) (nil) (nil) (nil)}
        expect [r SORT l BY nosort DESC] {3 2 1}
        expect [r SORT l BY nosort LIMIT 1 1] 2
        r ZADD z 3 c 2 b 1 a
        expect [r SORT z BY nosort] {a b c}
        expect [r SORT z BY nosort DESC LIMIT 0 2] {c b}
        r SET w_2 text
        expect_error "ERR One or more scores can't be converted into double" {r SORT l BY w_*}
        r SET w_2 nan
        expect_error "ERR One or more scores can't be converted into double" {r SORT l BY w_*}
        r SET w_2 {}
        expect [r SORT l BY w_*] {2 3 1}
        r SET w_2 inf
        expect [r SORT l BY w_*] {3 1 2}
    }

    test "STORE" {
        r FLUSHALL
        r RPUSH l 3 1 2
        r SET d x EX 1000
        expect [r SORT l STORE d] 3
        expect [r LRANGE d 0 -1] {1 2 3}
        expect [r TTL d] -1
        expect [r SORT l GET none_* STORE d] 3
        expect [r LRANGE d 0 -1] {{} {} {}}
        expect [r SORT l LIMIT 5 1 STORE d] 0
        expect [r EXISTS d] 0
        expect [r SORT l STORE l] 3
        expect [r LRANGE l 0 -1] {1 2 3}
        r SADD s 2 10 a
        expect [r SORT s BY nosort STORE d] 3
        expect [r LRANGE d 0 -1] {10 2 a}
    }

    test "a key that BY finds expired is gone for GET" {
        r FLUSHALL
        r DEBUG SET-ACTIVE-EXPIRE 0
        r RPUSH l 1 2 3
        r SET w_1 9 PX 1
        r SET w_2 5
        r SET w_3 1
        after 20
        expect [r SORT l BY w_* GET # GET w_*] {1 (nil) 3 1 2 5}
        r DEBUG SET-ACTIVE-EXPIRE 1
    }

    test "errors" {
        r SET str x
        expect_error "WRONGTYPE *" {r SORT str}
        expect_error "ERR syntax error" {r SORT none FOO}
        expect_error "ERR syntax error" {r SORT none LIMIT 1}
        expect_error "ERR syntax error" {r SORT none BY}
        expect_error "ERR syntax error" {r SORT none GET}
        expect_error "ERR syntax error" {r SORT_RO none STORE d}
        expect_error "ERR value is not an integer or out of range" {r SORT none LIMIT a b}
        expect_error "ERR wrong number of arguments for 'sort' command" {r SORT}
    }
}
