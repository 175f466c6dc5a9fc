#!/usr/bin/env bash
# Writing files beside the programs that do nothing else: cat, gzip, zstd.
#
# Needs hyperfine, python3, gzip and zstd. The recording of EXCHANGES
# exchanges (1.8 million unless given, 861 MB) is made once, in bench-data/.
#
#   benches/files.sh [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

exchanges=${1:-1800000}
data=bench-data/recording-$exchanges.gor
results=bench-data/files.json
out=bench-data/files.out

cargo build --release --quiet --bin gor-filter --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
mkdir -p bench-data
if [ ! -f "$data" ]; then
    "$tools"/examples/make_recording "$exchanges" > "$data.part"
    mv "$data.part" "$data"
fi

filter="$tools/gor-filter --force -o $out"
commands=(
    "sh -c 'cat $data > $out.cat'" "$filter.gor $data"
    "sh -c 'gzip -1 < $data > $out.1.gz'" "$filter.gor.gz --compress-level 1 $data"
    "sh -c 'gzip -6 < $data > $out.6.gz'" "$filter.gor.gz --compress-level 6 $data"
    "sh -c 'zstd -q -1 < $data > $out.1.zst'" "$filter.gor.zst --compress-level 1 $data"
    "sh -c 'zstd -q -3 < $data > $out.3.zst'" "$filter.gor.zst --compress-level 3 $data"
    "sh -c 'zstd -q -3 < $data > $out.3.zst'" "$filter.gor.zst --compress-level 3 --compress-threads 1 $data"
)

cat "$data" > /dev/null
hyperfine --shell=none --output=null --warmup 1 --runs 3 --style none --export-json "$results" "${commands[@]}"

python3 - "$results" "$data" <<'PYTHON'
import json, os, sys
results = json.load(open(sys.argv[1]))["results"]
size = os.path.getsize(sys.argv[2])
print(f"{size / 1e6:.0f} MB; medians of {len(results[0]['times'])} runs")
print(f"{'seconds':>8} {'GB/s':>6} {'speed':>6}  command (speed: times the program above it)")
for number, result in enumerate(results):
    median, command = result["median"], result["command"].replace(sys.argv[2], "FILE")
    beside = "" if number % 2 == 0 else f"{results[number - 1]['median'] / median:.2f}"
    print(f"{median:8.3f} {size / median / 1e9:6.2f} {beside:>6}  {command}")
PYTHON
rm -f "$out".*
