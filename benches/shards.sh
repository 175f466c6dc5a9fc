#!/bin/bash
# How much of an archive in S3 is read by 1, 2 and 4 replays that share it, as the server counts it. Makes its own data:
# 130 MB of records in 16 objects. Needs Go, Python, curl. Usage: benches/shards.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d -p "${CARGO_TARGET_DIR:-target}")
work=$(realpath "$work")
export DIR=$work/server
targets=()
trap 'tests/services/s3.sh down 2>/dev/null || true; [ "${#targets[@]}" = 0 ] || kill "${targets[@]}"; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-filter --bin gor-replay
cargo build --release --quiet --example make_recording
tools=$(realpath "${CARGO_TARGET_DIR:-target}/release")
mkdir -p "$DIR" "$work/spool"
DIR=$(realpath "${CARGO_TARGET_DIR:-target}")/tmp/s3 tests/services/s3.sh install
export LOGFILE=$work/access.log
SERVER=$(realpath "${CARGO_TARGET_DIR:-target}")/tmp/s3/versitygw tests/services/s3.sh up
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$DIR/port")
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret AWS_REGION=us-east-1
mkdir "$DIR/data/archive"

"$tools/examples/make_recording" 280000 >"$work/in.gor"
"$tools/gor-filter" "$work/in.gor" -o s3://archive/time/part.gor --chunk-size 8mb --spool "$work/spool"
"$tools/gor-filter" "$work/in.gor" -o s3://archive/connection/%p.gor --spool "$work/spool"

# What was read since the last time: requests for objects, and their bytes.
count() {
  sleep 0.2
  python3 - "$LOGFILE" "$1" "$2" <<'P'
import re, sys
requests = total = 0
for line in open(sys.argv[1]):
    found = re.search(r'REST\.GET\.OBJECT|s3_GetObject', line)
    numbers = re.search(r'HTTP/1\.\d" (\d+) \S+ (\d+|-) ', line)
    if found and numbers and numbers[1] in ('200', '206'):
        requests, total = requests + 1, total + int(numbers[2].replace('-', '0'))
print(f"{sys.argv[2]}: {requests} GETs, {total / 1e6:.1f} MB; sent {sys.argv[3]}")
P
  : >"$LOGFILE"
}

sent() { cat "$work"/sent-* | python3 -c 'import json, sys; print(sum(json.loads(line)["sent"] for line in sys.stdin))'; rm -f "$work"/sent-*; }

: >"$LOGFILE"
for shards in 1 2 4; do
  running=()
  for shard in $(seq "$shards"); do
    "$tools/gor-replay" -i s3://archive/time/ --shard "$shard/$shards" --no-wait --dry-run --stats-json "$work/sent-$shard" >"$work/out-$shard" 2>&1 &
    running+=($!)
  done
  wait "${running[@]}"
  count "--shard of $shards" "$(grep -ho '^[0-9]* requests' "$work"/out-* | awk '{ sum += $1 } END { print sum }')"
done
