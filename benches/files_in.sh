#!/usr/bin/env bash
# Reading compressed recordings beside zcat and zstdcat, and plain ones beside cat, in one run.
#
# Needs hyperfine, gzip, zstd and /usr/bin/time. The recording is the one that
# benches/filter.sh makes; its compressed copies are made once, beside it.
#
#   benches/files_in.sh [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

exchanges=${1:-1800000}
data=bench-data/recording-$exchanges.gor
many=bench-data/many-$exchanges

cargo build --release --quiet --bin gor-filter --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
filter=$tools/gor-filter
mkdir -p bench-data
if [ ! -f "$data" ]; then
    "$tools"/examples/make_recording "$exchanges" > "$data.part"
    mv "$data.part" "$data"
fi
[ -f "$data.gz" ] || { gzip -1 < "$data" > "$data.gz.part" && mv "$data.gz.part" "$data.gz"; }
[ -f "$data.zst" ] || { zstd -q -3 < "$data" > "$data.zst.part" && mv "$data.zst.part" "$data.zst"; }
if [ ! -d "$many" ]; then
    # Cut anywhere: the records at the cuts are malformed, which is no matter here.
    mkdir "$many.part"
    split -n 200 -d -a 3 --filter='gzip -1 > $FILE.gz' "$data" "$many.part/x"
    mv "$many.part" "$many"
fi

hyperfine --output=null --warmup 1 --runs "${RUNS:-5}" --style basic \
    "cat $data | cat" "$filter -q $data | cat" \
    "zcat $data.gz | cat" "$filter -q $data.gz | cat" \
    "zstdcat $data.zst | cat" "$filter -q $data.zst | cat" \
    "zcat $many/*.gz | cat" "$filter -q $many | cat" | grep -E "Benchmark|mean"

echo "most memory resident:"
for place in "$data" "$data.gz" "$data.zst" "$many"; do
    /usr/bin/time -f "%M kB  $place" "$filter" -q "$place" > /dev/null
done
