#!/usr/bin/env bash
# gor-filter beside cat and rg on the same recording, in one run.
#
# Needs hyperfine, ripgrep, python3 and /usr/bin/time. The recording of
# EXCHANGES exchanges (1.8 million unless given, 861 MB) is made once, in
# bench-data/.
#
#   benches/filter.sh [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

exchanges=${1:-1800000}
data=bench-data/recording-$exchanges.gor
results=bench-data/filter.json
copy=bench-data/filter-copy.gor
trap 'rm -f "$copy"' EXIT

cargo build --release --quiet --bin gor-filter --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
if [ ! -f "$data" ]; then
    mkdir -p bench-data
    "$tools"/examples/make_recording "$exchanges" > "$data.part"
    mv "$data.part" "$data"
fi

filter=$tools/gor-filter
many=""
for number in $(seq 50); do many="$many --url ^/api/v$number/none"; done
commands=(
    "cat $data"
    "rg -c POST $data"
    "rg -c '^POST /api' $data"
    "$filter $data"
    "$filter --method POST $data"
    "$filter --url ^/api/v1 $data"
    "$filter --method POST --url ^/api $data"
    "$filter --method POST --url ^/api --kind request $data"
    "$filter --header X-User:77 $data"
    "$filter --url /none/ $data"
    "$filter $many $data"
    "$filter --host ^shop $data"
    "$filter --status ^5 $data"
    "$filter --min-latency 1s $data"
    "$filter --body 1234567 $data"
    "$filter --complete $data"
    "$filter --sample 10% $data"
    "sh -c 'cat $data | cat > /dev/null'"
    "sh -c '$filter $data | cat > /dev/null'"
    "sh -c 'cat $data > $copy'"
    "sh -c '$filter $data > $copy'"
)

cat "$data" > /dev/null
hyperfine --shell=none --output=null --warmup 1 --runs 7 --style none --export-json "$results" "${commands[@]}"

python3 - "$results" "$data" <<'PYTHON'
import json, os, sys
results = json.load(open(sys.argv[1]))["results"]
size = os.path.getsize(sys.argv[2])
cat, rg = results[0]["median"], results[1]["median"]
print(f"{size / 1e6:.0f} MB; medians of {len(results[0]['times'])} runs")
print(f"{'seconds':>8} {'GB/s':>6} {'x cat':>6} {'x rg':>6}  command")
for result in results:
    median = result["median"]
    command = result["command"].replace(sys.argv[2], "FILE")
    command = command if len(command) < 90 else command[:60] + " ... (50 patterns)"
    print(f"{median:8.3f} {size / median / 1e9:6.2f} {median / cat:6.1f} {median / rg:6.1f}  {command}")
PYTHON

echo "most memory resident:"
for rules in "" "--method POST --url ^/api" "--status ^5"; do
    # shellcheck disable=SC2086 # the rules are words of their own
    /usr/bin/time -f "%M kB  gor-filter $rules" "$filter" $rules "$data" > /dev/null
done
