# SPDX-License-Identifier: BSD-3-Clause
#
# MIGRATE with TLS (tls-cluster): both ends show certificates; what isn't TLS, isn't trusted or keeps
# silent. Between stock's server and ours: `tests/run --stock` runs the same between two of stock's.

tags quick

source -encoding utf-8 [file join [file dirname [info script]] ../../support/tls.tcl]

make_authority ca
make_authority stranger
make_certificate server ca
make_certificate client ca
make_certificate foreign stranger

proc target_id {} { dict get [lindex $::suite::stack 0] id }
proc t {args} { server::ask [target_id] {*}$args }
proc tls_options {name port} {
    list tls-port $port tls-cert-file $::folder/$name.crt tls-key-file $::folder/$name.key \
        tls-ca-cert-file $::folder/ca.crt
}

proc migrate {key args} { r MIGRATE 127.0.0.1 $::target_port $key 0 5000 {*}$args }

set target_port [server::free_port]
set source_port [server::free_port]
set connecting "IOERR error or timeout connecting to the client"

with_server [tls_options server $target_port] {
    with_server [concat [tls_options server $source_port] {tls-cluster yes}] {
        test "keys go over TLS, small and large, many and again" {
            t FLUSHALL
            r SET k v
            expect [migrate k] OK
            expect [list [t GET k] [r EXISTS k]] {v 0}
            r SET big [string repeat x 5000000]
            r RPUSH list {*}[lrepeat 3000 [string repeat y 500]]
            set digest [r DEBUG DIGEST-VALUE list]
            expect [migrate big] OK
            expect [migrate list] OK
            expect [list [t STRLEN big] [t DEBUG DIGEST-VALUE list]] [list 5000000 $digest]
            set keys {}
            for {set i 0} {$i < 500} {incr i} { r SET n:$i $i; lappend keys n:$i }
            expect [migrate "" KEYS {*}$keys] OK
            expect [list [t GET n:499] [r DBSIZE]] {499 0}
            r SET k other
            expect_error "ERR Target instance replied with error: BUSYKEY*" {migrate k}
            expect [r GET k] other
            expect [migrate k REPLACE] OK
            expect [t GET k] other
            expect_true {[info_field migrate_cached_sockets] == 1}
        }

        test "a target without TLS, or that nobody can trust, gets nothing" {
            t FLUSHALL
            r SET k v
            expect_error $connecting {r MIGRATE 127.0.0.1 [server::get [target_id] port] k 0 2000}
            expect_error $connecting {r MIGRATE 127.0.0.1 1 k 0 2000}
            set silent [socket -server {apply {{sock host port} { lappend ::open $sock }}} \
                -myaddr 127.0.0.1 0]
            set port [lindex [chan configure $silent -sockname] 2]
            expect_error $connecting {r MIGRATE 127.0.0.1 $port k 0 300}
            close $silent
            t CONFIG SET tls-cert-file $::folder/foreign.crt tls-key-file $::folder/foreign.key
            # Under another name, so not over the connection that was kept.
            expect_error $connecting {r MIGRATE localhost $::target_port k 0 2000}
            t CONFIG SET tls-cert-file $::folder/server.crt tls-key-file $::folder/server.key
            expect [r GET k] v
            expect [migrate k] OK
        }

        test "the client's certificate is the one that is shown" -only cogwheel {
            t FLUSHALL
            r SET k v
            r CONFIG SET tls-client-cert-file $::folder/foreign.crt \
                tls-client-key-file $::folder/foreign.key
            expect_error "IOERR*" {migrate k}
            r CONFIG SET tls-client-cert-file $::folder/client.crt \
                tls-client-key-file $::folder/client.key
            expect [migrate k] OK
            r CONFIG SET tls-client-cert-file "" tls-client-key-file ""
        }

        test "tls-cluster is switched while the server runs" -only cogwheel {
            t FLUSHALL
            r SET k v
            with_config {tls-cluster no} {
                expect_error "IOERR*" {migrate k}
                expect [r MIGRATE 127.0.0.1 [server::get [target_id] port] k 0 5000] OK
            }
            r SET k v
            expect [migrate k REPLACE] OK
        }

        test "it needs an authority" {
            expect_error "ERR CONFIG SET failed (possibly related to argument 'tls-ca-cert-file') -*" {
                r CONFIG SET tls-ca-cert-file ""
            }
            expect [lindex [r CONFIG GET tls-ca-cert-file] 1] $::folder/ca.crt
        }
    }
}
