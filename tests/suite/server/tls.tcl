# SPDX-License-Identifier: BSD-3-Clause
#
# TLS: handshakes, certificates, large values both ways, changes while the server runs, and peers
# that speak something else. The client is Python's.

tags quick

source -encoding utf-8 [file join [file dirname [info script]] ../../support/tls.tcl]

make_authority ca
make_authority stranger
make_certificate server ca
make_certificate second ca
make_certificate client ca
make_certificate foreign stranger
openssl ec -in $folder/server.key -aes128 -passout pass:secret -out $folder/locked.key

# Runs Python with `connect(cert, **how)` at hand; returns what it prints.
proc python {script args} {
    set head {
import hashlib, socket, ssl, sys
folder, port = sys.argv[1], int(sys.argv[2])
def connect(cert="client", low=None, high=None, plain=False):
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    if plain: return s
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations(folder + "/ca.crt")
    if cert: c.load_cert_chain(folder + "/" + cert + ".crt", folder + "/" + cert + ".key")
    if low: c.minimum_version = low
    if high: c.maximum_version = high
    return c.wrap_socket(s)
def read(s, n):
    parts = b""
    while len(parts) < n:
        part = s.recv(min(1 << 20, n - len(parts)))
        if not part: break
        parts += part
    return parts
def ask(s, request, n):
    s.sendall(request)
    return read(s, n)
def outcome(**how):
    try:
        s = connect(**how)
        return ask(s, b"PING\r\n", 7).decode().strip() or "closed"
    except (ssl.SSLError, ConnectionError) as e:
        return "refused"
    }
    exec /usr/bin/python3 -c "$head\n$script" $::folder $::tls_port {*}$args
}

set tls_port [server::free_port]
with_server [list tls-port $tls_port tls-cert-file $folder/server.crt \
        tls-key-file $folder/server.key tls-ca-cert-file $folder/ca.crt] {

    test "who has a certificate is served, beside clients without TLS" {
        expect [python {print(outcome())}] +PONG
        expect [python {print(outcome(cert=None))}] refused
        expect [python {print(outcome(cert="foreign"))}] refused
        expect [r PING] PONG
        expect [exec redis-cli -p $::tls_port --tls --cacert $::folder/ca.crt \
            --cert $::folder/client.crt --key $::folder/client.key ECHO hello] hello
    }

    test "messages to many, with TLS and without" {
        expect [python {
plain_port = int(sys.argv[3])
crowd = []
for i in range(12):
    if i % 3:
        crowd.append(connect())
    else:
        crowd.append(socket.create_connection(("127.0.0.1", plain_port), timeout=60))
for s in crowd:
    ask(s, b"SUBSCRIBE news\r\n", len(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"))
publisher = connect()
want = b""
for i in range(200):
    text = b"%d:" % i + b"x" * (i * i % 3000 if i % 50 else 70000)
    want += b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$%d\r\n%s\r\n" % (len(text), text)
    got = ask(publisher, b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$%d\r\n%s\r\n" % (len(text), text), 5)
    assert got == b":12\r\n", got
    if i % 7 == 0:
        for s in crowd: assert read(s, len(want)) == want
        want = b""
for s in crowd: assert read(s, len(want)) == want
print("all")
        } [srv port]] all
    }

    test "large values and long pipelines" {
        expect [python {
s = connect()
value = bytes(range(256)) * 40000
head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(value)
print(ask(s, head + value + b"\r\n", 5))
got = ask(s, b"GET k\r\n", len(value) + 13)
print(got[11:-2] == value)
n = 20000
print(ask(s, b"PING\r\n" * n, 7 * n) == b"+PONG\r\n" * n)
# requests in pieces of every size
text = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n"
for size in range(1, len(text)):
    for at in range(0, len(text), size): s.sendall(text[at:at + size])
    assert read(s, 11) == b"$5\r\nhello\r\n"
print("done")
        }] "b'+OK\\r\\n'\nTrue\nTrue\ndone"
        expect [r STRLEN k] 10240000
    }

    test "pushes reach a client that only listens" {
        expect [python {
s = connect()
ask(s, b"SUBSCRIBE c\r\n", 30)
p = connect(plain=False)
for i in range(100): ask(p, b"PUBLISH c %d\r\n" % i, 4)
got = b""
while got.count(b"message") < 100: got += s.recv(65536)
print(got.count(b"message"))
        }] 100
    }

    test "peers that speak something else, or stop in the middle" {
        expect [python {
for junk in (b"PING\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 8, b"\x16\x03\x01\xff\xff"):
    s = connect(plain=True)
    s.sendall(junk)
    s.close()
s = connect()
s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$100000\r\nabc")
s.close()
held = [connect(plain=True) for i in range(50)] # half-open handshakes
print(outcome())
        }] +PONG
        wait_for {[info_field connected_clients] == 1}
        expect [r EXISTS x] 0
    }

    test "certificates are changed while the server runs" {
        set old [python {
s = connect()
print(ssl.DER_cert_to_PEM_cert(s.getpeercert(True)) == open(folder + "/server.crt").read())
        }]
        expect $old True
        r CONFIG SET tls-cert-file $::folder/second.crt tls-key-file $::folder/second.key
        expect [python {
s = connect()
print(ssl.DER_cert_to_PEM_cert(s.getpeercert(True)) == open(folder + "/second.crt").read())
        }] True
        foreach {name value} [list tls-cert-file $::folder/nosuch.crt tls-key-file $::folder/server.key \
                tls-protocols TLSv7 tls-ca-cert-file $::folder/nosuch.crt tls-ciphers nosuch] {
            expect_error "ERR CONFIG SET failed (possibly related to argument '$name')\
                - Unable to update TLS configuration. Check server logs." {
                r CONFIG SET $name $value
            }
        }
        expect [python {print(outcome())}] +PONG
        expect_error "*Unable to update TLS configuration*" {
            r CONFIG SET tls-key-file $::folder/locked.key tls-cert-file $::folder/server.crt \
                tls-key-file-pass wrong
        }
        r CONFIG SET tls-key-file $::folder/locked.key tls-cert-file $::folder/server.crt \
            tls-key-file-pass secret
        expect [python {print(outcome())}] +PONG
    }

    test "tls-auth-clients and tls-protocols" {
        r CONFIG SET tls-auth-clients optional
        expect [python {print(outcome(cert=None), outcome(), outcome(cert="foreign"))}] \
            "+PONG +PONG refused"
        r CONFIG SET tls-auth-clients no
        expect [python {print(outcome(cert=None))}] +PONG
        r CONFIG SET tls-protocols TLSv1.2
        expect [python {
print(outcome(low=ssl.TLSVersion.TLSv1_3), outcome(), connect().version())
        }] "refused +PONG TLSv1.2"
        r CONFIG SET tls-protocols "TLSv1.3"
        expect [python {print(outcome(high=ssl.TLSVersion.TLSv1_2), connect().version())}] \
            "refused TLSv1.3"
        r CONFIG SET tls-protocols ""
    }

    test "the port is changed, and closed" {
        set old $::tls_port
        set ::tls_port [server::free_port]
        r CONFIG SET tls-port $::tls_port
        expect [python {print(outcome())}] +PONG
        r CONFIG SET tls-port 0
        expect [python {print(outcome())}] refused
    }
}

test "a server that lacks what TLS needs doesn't start" -only cogwheel {
    foreach {words text} [list [list --tls-cert-file /nosuch --tls-key-file /nosuch] *certificate* \
            {} "*No tls-cert-file configured*" \
            [list --tls-cert-file $folder/server.crt --tls-key-file $folder/server.key] \
            "*tls-ca-cert-file or tls-ca-cert-dir must be specified*"] {
        set code [catch {exec [file normalize $::server::binary] --port 0 --tls-port $tls_port \
            --save "" {*}$words 2>@1} output]
        expect $code 1
        expect_match $output $text
    }
}
