#!/usr/bin/env bash
# Certificates for tests, in a folder: a CA and another one, a server's, a client's, and a client's of the other CA.
# NAME.both.pem is key and certificate, as Kafka wants them.
set -euo pipefail
folder=${1:?names the folder}
mkdir -p "$folder"
cd "$folder"

quiet() { openssl "$@" 2>/dev/null; }

curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
for ca in ca otherca; do
    quiet req -x509 "${curve[@]}" -keyout $ca.key -out $ca.pem -days 30 -subj "/CN=test $ca" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
done

leaf() { # NAME CA USAGE NAMES
    quiet req "${curve[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"
    quiet x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 -out "$1.pem" -extfile <(
        printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$4"
    )
    cat "$1.key" "$1.pem" >"$1.both.pem"
}
leaf server ca serverAuth "DNS:localhost,IP:127.0.0.1,IP:::1"
leaf client ca clientAuth "DNS:client"
leaf badclient otherca clientAuth "DNS:client"
