#!/usr/bin/env bash
# gor-show --summary on one core, beside cat and `rg -c` on the same recording, in one run.
#
# Needs ripgrep, python3 and taskset. The recording of EXCHANGES small exchanges
# (a million unless given) is made once, in bench-data/. What counts is CPU time
# (user and system), since other work on the machine does not add to it.
#
#   benches/show.sh [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

exchanges=${1:-1000000}
data=bench-data/recording-$exchanges.gor

cargo build --release --quiet --bin gor-show --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
if [ ! -f "$data" ]; then
    mkdir -p bench-data
    "$tools"/examples/make_recording "$exchanges" > "$data.part"
    mv "$data.part" "$data"
fi
cat "$data" > /dev/null

python3 - "$data" "$exchanges" "$tools" <<'PYTHON'
import os, resource, statistics, subprocess, sys
data, exchanges = sys.argv[1], int(sys.argv[2])
show = sys.argv[3] + "/gor-show"
commands = {
    "cat": ["cat", data],
    "rg -c POST": ["rg", "-c", "POST", data],
    "gor-show --summary": [show, "--summary", data],
    "gor-show --summary --by header:X-User": [show, "--summary", "--by", "header:X-User", data],
    "gor-show": [show, data],
}
seconds = {name: [] for name in commands}
for _ in range(5):
    for name, command in commands.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["taskset", "-c", "1", *command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
print(f"{os.path.getsize(data) / 1e6:.0f} MB, {exchanges} exchanges; CPU seconds of 5 runs in turn, load {os.getloadavg()[0]:.1f}")
print(f"{'least':>6} {'median':>6} {'exchanges/s':>12}  command")
for name, runs in seconds.items():
    median = statistics.median(runs)
    print(f"{min(runs):6.2f} {median:6.2f} {exchanges / median:12.0f}  {name}")
PYTHON
