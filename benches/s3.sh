#!/bin/bash
# How fast objects of S3 are read and written, beside the AWS command line, from and to one server on loopback.
# Makes its own data: 1 GB of records in 64 objects. Needs Go, Python, curl. Usage: benches/s3.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
work=$(mktemp -d -p "${CARGO_TARGET_DIR:-target}")
work=$(realpath "$work")
export DIR=$work/server
trap 'tests/services/s3.sh down 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-filter
cargo build --release --quiet --example make_recording
tools=$(realpath "${CARGO_TARGET_DIR:-target}/release")
mkdir -p "$DIR" "$work/parts" "$work/spool"
DIR=$(realpath "${CARGO_TARGET_DIR:-target}")/tmp/s3 tests/services/s3.sh install
SERVER=$(realpath "${CARGO_TARGET_DIR:-target}")/tmp/s3/versitygw tests/services/s3.sh up
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet awscli
aws=$work/venv/bin/aws
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$DIR/port")
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret AWS_REGION=us-east-1

# Objects of about 16 MB, as a recorder with --chunk-size 16mb leaves them.
"$tools/examples/make_recording" 2200000 >"$work/in.gor"
"$tools/gor-filter" "$work/in.gor" -o "$work/parts/part.gor" --chunk-size 16mb
size=$(stat -c %s "$work/in.gor")
echo "recording: $size bytes in $(ls "$work/parts" | wc -l) objects; $("$aws" --version)"
"$aws" s3 mb s3://bench >/dev/null

rate() { awk -v what="$1" -v size="$size" -v run="$run" '{ printf "run %d: %s %.2f s, %.2f GB/s, CPU %.2f s user, %.2f s system\n", run, what, $1, size / $1 / 1e9, $2, $3 }' "$work/time"; }

TIMEFORMAT='%R %U %S'
for run in $(seq "$runs"); do
  # Each writes keys that were not there.
  { time "$aws" s3 cp --quiet --recursive "$work/parts" "s3://bench/aws-$run/" 2>"$work/said"; } 2>"$work/time"
  rate 'write: aws s3 cp --recursive'
  { time "$tools/gor-filter" "$work/in.gor" -o "s3://bench/gor-$run/part.gor" --chunk-size 16mb --spool "$work/spool" 2>"$work/said"; } 2>"$work/time"
  rate 'write: gor-filter --chunk-size 16mb'
  { time "$tools/gor-filter" "$work/in.gor" -o "s3://bench/one-$run.gor" --spool "$work/spool" --spool-max 8gb 2>"$work/said"; } 2>"$work/time"
  rate 'write: gor-filter, one object'

  { time "$aws" s3 cp --quiet --recursive "s3://bench/aws-$run/" "/dev/shm/gor-bench-$$" 2>"$work/said"; } 2>"$work/time"
  rate 'read: aws s3 cp --recursive to /dev/shm'
  rm -rf "/dev/shm/gor-bench-$$"
  { time "$tools/gor-filter" "s3://bench/aws-$run/" -o null: 2>"$work/said"; } 2>"$work/time"
  rate 'read: gor-filter, keep all'
  { time "$tools/gor-filter" --method POST "s3://bench/aws-$run/" -o null: 2>"$work/said"; } 2>"$work/time"
  rate 'read: gor-filter --method POST'
  { time "$tools/gor-filter" --method POST "$work/parts" -o null: 2>"$work/said"; } 2>"$work/time"
  rate 'local files: gor-filter --method POST'
  "$aws" s3 rm --quiet --recursive "s3://bench/"
done
