#!/bin/sh
# Makes the captures of testdata/ anew: make.sh [NAME…], all of them without a
# name. The names are those in scenarios.py, which says what each one does.
#
# Needs Linux, root (network namespaces and packet capture) and, on Debian:
#   apt-get install nginx-light apache2 nodejs golang python3 chromium \
#     curl wget apache2-utils wrk nghttp2-client tcpdump tshark ethtool \
#     iproute2 openssl openssh-server
set -eu
cd "$(dirname "$0")"
missing=
for tool in ip ethtool tcpdump dumpcap tshark nginx apache2 node go python3 chromium curl wget ab wrk h2load nghttp openssl; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "make.sh: missing:$missing" >&2
    exit 1
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 make.py "$@"
