#!/bin/bash
# What live capture costs and misses, beside tcpdump: wrk and nginx at full speed over a veth pair.
# Makes its own network namespaces and takes them away again. Needs root, ip, nginx, wrk, tcpdump and awk.
# Usage: benches/live.sh [RUNS] [SECONDS] [BYTES]; BYTES is the size of a response's body, of a file
# then; without it the body is 12 bytes that nginx has at hand.
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
seconds=${2:-5}
bytes=${3:-}
cargo build --release --quiet --bin gor-record
tools=${CARGO_TARGET_DIR:-target}/release
record=$tools/gor-record
. benches/namespaces.sh
# A path is relative to nginx's folder.
set_up bench "${bytes:+location /item/ { root .; open_file_cache max=9; try_files /body =404; \}}"
[ -z "$bytes" ] || head -c "$bytes" /dev/zero | tr '\0' x >"$work/body"
chmod 755 "$work"

# Runs a recorder beside the load. Says the requests that wrk made, and the recorder's CPU seconds, user and system.
beside_load() {
  rm -f "$work/said" "$work/cpu"
  { TIMEFORMAT='%U %S'; time ip netns exec "$here" "$@" 2>"$work/said"; } 2>"$work/cpu" &
  local recorder=$!
  until grep -q -e 'listening on' -e 'recording servers' "$work/said" 2>/dev/null; do sleep 0.1; done
  ip netns exec "$there" wrk -t1 -c32 -d"${seconds}s" http://10.79.0.1:8080/item/1?user=2 >"$work/wrk"
  sleep 0.5
  ip netns pids "$here" | while read -r pid; do
    case $(cat "/proc/$pid/comm") in tcpdump | gor-record) kill -INT "$pid" ;; esac
  done
  wait "$recorder" || true
  awk '/requests in/ { printf "%d ", $1 }' "$work/wrk"
  cat "$work/cpu"
}

tell() {
  awk -v run="$1" -v name="$2" -v requests="$3" -v user="$4" -v kernel="$5" -v packets="$6" -v dropped="$7" -v records="$8" 'BEGIN {
    packets = packets ? packets : 1
    printf "run %d: %-17s %7d requests, %8d packets, %6d dropped, CPU a packet %.3f us user, %.3f us system, %s\n",
      run, name, requests, packets, dropped, user * 1e6 / packets, kernel * 1e6 / packets, records }'
}

for run in $(seq "$runs"); do
  read -r requests user system <<<"$(beside_load tcpdump -i cable -B 65536 -w /dev/null tcp port 8080)"
  tell "$run" tcpdump "$requests" "$user" "$system" "$(awk '/packets captured/ { print $1 }' "$work/said")" \
    "$(awk '/dropped by kernel/ { print $1 }' "$work/said")" "no records"
  for out in null: "$work/out.gor"; do
    rm -f "$work/out.gor"
    read -r requests user system <<<"$(beside_load "$record" cable:8080 --responses -o "$out" --stats-json "$work/stats.json")"
    tell "$run" "gor-record${out/null:/ null:}" "$requests" "$user" "$system" \
      "$(awk '/"read"/ { gsub(/[^0-9]/, ""); print; exit }' "$work/stats.json")" \
      "$(awk '/"dropped"/ { gsub(/[^0-9]/, ""); print; exit }' "$work/stats.json")" \
      "$(awk '/"recorded"/ { gsub(/[^0-9]/, ""); if (++n > 1) printf "%d%s", $0, n == 2 ? " requests and " : " responses" }' "$work/stats.json")" |
      sed "s#$work/out.gor# file#"
  done
done
