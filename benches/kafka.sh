#!/bin/bash
# How fast records go to a topic of Kafka and come from it, beside kcat, with one broker on loopback.
# Makes its own data. Needs Java, Maven, kcat. Usage: benches/kafka.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
target=$(realpath "${CARGO_TARGET_DIR:-target}")
work=$(mktemp -d -p "$target")
export DIR=$work/server
mkdir -p "$DIR"
trap 'tests/services/kafka.sh down 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-filter
cargo build --release --quiet --example make_recording
tools=$target/release
[ -d "$target/tmp/kafka/lib" ] || DIR=$target/tmp/kafka tests/services/kafka.sh fetch
export LIB=$target/tmp/kafka/lib
tests/services/kafka.sh up
broker=127.0.0.1:$(sed -n 's/^PLAINTEXT=//p' "$DIR/ports")
topic() {
  java -Xmx128m -cp "$LIB/*" org.apache.kafka.tools.TopicCommand --bootstrap-server "$broker" --create --topic "$1" \
    --partitions 1 --replication-factor 1 </dev/null >/dev/null 2>&1
}
separator=$'\n🐵🙈🙉\n'

"$tools/examples/make_recording" 500000 >"$work/in.gor"
size=$(stat -c %s "$work/in.gor")
cat "$work/in.gor" >/dev/null
echo "recording: $size bytes, 1000000 records; $(kcat -V | grep -o 'librdkafka [0-9.]*' | head -1) of kcat"

rate() { awk -v what="$1" -v size="$size" -v run="$run" '{ printf "run %d: %s %.2f s, %.0f MB/s, CPU %.2f s user, %.2f s system\n", run, what, $1, size / $1 / 1e6, $2, $3 }' "$work/time"; }

TIMEFORMAT='%R %U %S'
for run in $(seq "$runs"); do
  topic "theirs-$run"
  { time kcat -P -b "$broker" -t "theirs-$run" -D "$separator" -X enable.idempotence=true -X linger.ms=5 \
    -X queue.buffering.max.kbytes=65536 -l "$work/in.gor" 2>"$work/said"; } 2>"$work/time"
  rate 'produce: kcat'
  topic "ours-$run"
  { time "$tools/gor-filter" "$work/in.gor" -o "kafka://$broker/ours-$run" 2>"$work/said"; } 2>"$work/time"
  rate 'produce: gor-filter'
  { time kcat -C -q -e -b "$broker" -t "ours-$run" -D "$separator" >/dev/null 2>"$work/said"; } 2>"$work/time"
  rate 'consume: kcat'
  { time "$tools/gor-filter" "kafka://$broker/ours-$run" --exit-at-end >/dev/null 2>"$work/said"; } 2>"$work/time"
  rate 'consume: gor-filter'
done
