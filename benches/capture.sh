#!/usr/bin/env bash
# Decoding captures against tcpdump's copy of them. Makes its data with
# benches/data.sh where that is missing (needs nginx, wrk, tcpdump, and root).
# Prints medians, ratios, packets a second, and the most memory resident.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e bench-data/load.pcap ] || benches/data.sh
cargo build --release --locked --bin gor-record
tools=${CARGO_TARGET_DIR:-target}/release
record=$tools/gor-record

median() { # COMMAND... : median wall seconds of seven runs after a warm-up
    "$@" >/dev/null 2>&1
    for _ in 1 2 3 4 5 6 7; do
        /usr/bin/time -f %e "$@" 2>&1 >/dev/null | tail -1
    done | sort -n | sed -n 4p
}

resident() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -1; }

for name in load tiny; do
    file=bench-data/$name.pcap
    packets=$("$record" -r "$file" -o null: --stats 2>&1 | awk '/^packets read/ {print $3}')
    copy=$(median tcpdump -r "$file" -w /dev/null)
    ours=$(median "$record" -r "$file" --responses -q -o null:)
    text=$(median "$record" -r "$file" --responses -q -o /dev/null --force)
    awk -v n="$name" -v p="$packets" -v c="$copy" -v o="$ours" -v t="$text" \
        -v m="$(resident "$record" -r "$file" --responses -q -o null:)" 'BEGIN {
        printf "%s: %d packets, tcpdump copy %.2f s, gor-record --responses %.2f s (to /dev/null %.2f s),", n, p, c, o, t
        printf " %.1f times tcpdump, %.1f M packets/s, %d MB resident\n", o / c, p / o / 1e6, m / 1024 }'
done

# One body of 100 MB each way, whole: the time must grow as the body does.
for limit in 25mb 50mb 100mb 200mb; do
    ours=$(median "$record" -r bench-data/body.pcap --responses -q --max-message "$limit" -o null:)
    echo "body: --max-message $limit $ours s, $(($(resident "$record" -r bench-data/body.pcap --responses \
        -q --max-message "$limit" -o null:) / 1024)) MB resident"
done
