# SPDX-License-Identifier: BSD-3-Clause
#
# A server built without Python (make PYTHON=no): everything but gears works, and RG.* says why.

tags nopy

with_server {} {
    test "a server without Python says so" -needs nopython {
        expect_error "ERR *built without Python*" {r RG.PYEXECUTE "GB().run()"}
        expect_match [server::ask [srv_id] INFO gears] "*gears_python_version:none*"
    }

    test "its RG commands that need no Python answer" -needs nopython {
        expect [r RG.DUMPEXECUTIONS] {}
        expect [r RG.DUMPREGISTRATIONS] {}
        expect [r RG.INFOCLUSTER] "no cluster mode"
    }

    test "the rest of it works" -needs nopython -resp {2 3} {
        r SET k v
        r HSET h f v
        expect [r GET k] v
        expect [r HGETALL h] {f v}
    }

    test "no Python is linked" -needs nopython {
        expect_true {![string match *libpython* [exec ldd $::server::binary]]}
    }
}
