# SPDX-License-Identifier: BSD-3-Clause
#
# Certificates for tests of TLS, made by openssl in the folder $::folder.

set folder [file join $::server::root tls]
file delete -force $folder
file mkdir $folder

proc openssl {args} { exec -ignorestderr openssl {*}$args 2>/dev/null }

# An authority, and certificates that it has signed.
proc make_authority {name} {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -keyout $::folder/$name.key -out $::folder/$name.crt -subj "/CN=$name"
}
proc make_certificate {name authority} {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout $::folder/$name.key -out $::folder/$name.csr -subj "/CN=$name"
    openssl x509 -req -in $::folder/$name.csr -CA $::folder/$authority.crt \
        -CAkey $::folder/$authority.key -CAcreateserial -days 2 -out $::folder/$name.crt
}
