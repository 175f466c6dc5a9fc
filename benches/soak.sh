#!/bin/bash
# Whether live capture keeps up for long: 20,000 requests a second by gor-replay against nginx over a veth pair, and
# gor-record beside nginx, whose memory is looked at every 10 s and whose counts are held against nginx's.
# Makes its own network namespaces and data. Needs root, ip, nginx, awk, and 130 MB of disk a minute.
# Usage: benches/soak.sh [MINUTES]
set -eu
cd "$(dirname "$0")/.."
minutes=${1:-10}
cargo build --release --quiet --bin gor-record --bin gor-replay
tools=$(realpath "${CARGO_TARGET_DIR:-target}/release")
. benches/namespaces.sh
set_up soak "location /status { stub_status; }"

awk -v number=$((minutes * 60 * 20000)) 'BEGIN {
  for (i = 0; i < number; i++)
    printf "1 %024x %d%09d 0\nGET /%d HTTP/1.1\r\nHost: shop.example.com\r\n\r\n\n🐵🙈🙉\n", i,
      1700000000 + int(i / 20000), i % 20000 * 50000, i
}' >"$work/load.gor"

ip netns exec "$here" "$tools/gor-record" 10.79.0.1:8080 --user root --responses -o null: \
  --stats-json "$work/stats.json" 2>"$work/said" &
recorder=$!
until grep -q 'recording servers' "$work/said"; do sleep 0.1; done
pid=$(ip netns pids "$here" | while read -r pid; do
  case $(cat "/proc/$pid/comm") in gor-record) echo "$pid" ;; esac
done)
ip netns exec "$there" "$tools/gor-replay" -q --connections 64 -i "$work/load.gor" 10.79.0.1:8080 2>"$work/replay" &
replay=$!
while kill -0 "$replay" 2>/dev/null; do
  awk -v at="$SECONDS" '/VmRSS/ { rss = $2 } /RssFile/ { ring = $2 } END {
    printf "after %d s: %d MB resident, %d MB of them mapped, the ring and the program\n", at, rss / 1024, ring / 1024 }' "/proc/$pid/status"
  sleep 10
done
wait "$replay" || true
sleep 1
kill -INT "$pid"
wait "$recorder" || echo "gor-record: exit status $?"
served=$(ip netns exec "$there" bash -c 'exec 3<>/dev/tcp/10.79.0.1/8080; printf "GET /status HTTP/1.0\r\n\r\n" >&3; cat <&3' |
  awk '/^ [0-9]+ [0-9]+ [0-9]+/ { print $3 - 1 }')
awk -v served="$served" '/"dropped"/ { gsub(/[^0-9]/, ""); dropped = $0 } /"recorded"/ { gsub(/[^0-9]/, ""); n[++i] = $0 } END {
  printf "nginx served %d requests; recorded %d requests, %d responses; %d packets dropped\n", served, n[2], n[3], dropped }' "$work/stats.json"
cat "$work/said" | tail -n +2
