#!/usr/bin/env bash
# Makes report.png, the picture in the README: the requests of the example capture, 60 a second, replayed against the
# example server, which stalls for a second in every ten. Needs Rust, build-essential and chromium.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --bins --example origin
bin=${CARGO_TARGET_DIR:-target}/debug
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The server ends when its input closes.
coproc "$bin/examples/origin" --stall
exec {from}<&"${COPROC[0]}" {to}>&"${COPROC[1]}"
read -r address <&"$from"
cat <&"$from" >/dev/null &

# Its answers to HEAD would have bodies.
"$bin/gor-filter" -q --invert --method HEAD testdata/shop.pcapng -o "$folder/shop.gor"
"$bin/gor-replay" -q -i "$folder/shop.gor" --loop=8 --rate 60/s --connections 8 \
    --report "$folder/report.html" "http://$address"

end=${COPROC[1]}
exec {to}>&- {end}>&-
chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$folder/profile" --window-size=1000,650 --screenshot="$PWD/docs/report.png" \
    "file://$folder/report.html" 2>/dev/null
size=$(stat -c %s docs/report.png)
echo "docs/report.png: $size bytes"
[ "$size" -lt 150000 ]
