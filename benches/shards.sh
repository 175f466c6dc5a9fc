#!/bin/bash
# How much of an archive in S3 is read by 1, 2 and 4 replays that share it, as the server counts it. Makes its own data:
# 134 MB of records. Needs Go, Python, curl. Usage: benches/shards.sh
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d -p "${CARGO_TARGET_DIR:-target}")
work=$(realpath "$work")
export DIR=$work/server
trap 'tests/services/s3.sh down 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-filter --bin gor-replay
cargo build --release --quiet --example make_recording
tools=$(realpath "${CARGO_TARGET_DIR:-target}/release")
mkdir -p "$DIR/data/archive" "$work/spool"
services=$(realpath "${CARGO_TARGET_DIR:-target}")/tmp/s3
DIR=$services tests/services/s3.sh install
export LOGFILE=$work/access.log
SERVER=$services/versitygw tests/services/s3.sh up
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$DIR/port")
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret AWS_REGION=us-east-1

"$tools/examples/make_recording" 280000 >"$work/in.gor"
"$tools/gor-filter" "$work/in.gor" -o s3://archive/time/part.gor --chunk-size 4mb --spool "$work/spool"
"$tools/gor-filter" "$work/in.gor" -o s3://archive/parts/%p-part.gor --chunk-size 4mb --spool "$work/spool"

# Replays at once, each of an input and a shard, or none; then what the server and they have counted.
replays() {
  local what=$1 running=() number=0 replay
  shift
  : >"$LOGFILE"
  for replay in "$@"; do
    number=$((number + 1))
    # shellcheck disable=SC2086 # an input and options
    "$tools/gor-replay" -i $replay --no-wait --dry-run http://127.0.0.1:1 >"$work/plan-$number" 2>&1 &
    running+=($!)
  done
  for replay in "${running[@]}"; do wait "$replay"; done
  sleep 0.5
  python3 - "$what" "$LOGFILE" "$DIR/data/archive" "$work" <<'P'
import glob, os, re, sys
what, log, archive, work = sys.argv[1:]
keys = re.findall(r" s3_GetObject (\S+) ", open(log).read())
size = sum(os.path.getsize(f"{archive}/{key}") for key in keys)
sent = sum(int(re.search(r"would get (\d+) requests", open(plan).read())[1]) for plan in glob.glob(f"{work}/plan-*"))
print(f"{what}: {len(keys)} GETs of {len(set(keys))} objects, {size / 1e6:.1f} MB; {sent} requests to send")
P
  find "$work" -maxdepth 1 -name 'plan-*' -delete
}

for shards in 1 2 4; do
  all=()
  for shard in $(seq "$shards"); do all+=("s3://archive/time/ --shard $shard/$shards"); done
  replays "$shards with --shard" "${all[@]}"
done
# The patterns are for the tool.
set -f
for shards in 1 2 4; do
  all=()
  for shard in $(seq "$shards"); do all+=("s3://archive/parts/%p-*.gor --shard $shard/$shards"); done
  replays "$shards with --shard and %p" "${all[@]}"
done
