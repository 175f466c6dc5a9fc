#!/usr/bin/env bash
# gor-rewrite and gor-filter beside cat and rg on the same recording, all commands in turn, so that what else the machine
# does falls on all of them.
#
# Needs ripgrep and python3. The recording of EXCHANGES exchanges (1.8 million unless given, 861 MB) is made once, in
# bench-data/. With BEFORE, a folder of older binaries, those run in the same turns.
#
#   [BEFORE=FOLDER] benches/rewrite.sh [RUNS] [EXCHANGES]
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-7}
exchanges=${2:-1800000}
data=bench-data/recording-$exchanges.gor

cargo build --release --quiet --bin gor-filter --bin gor-rewrite
tools=${CARGO_TARGET_DIR:-target}/release
if [ ! -f "$data" ]; then
    cargo build --release --quiet --example make_recording
    mkdir -p bench-data
    "$tools"/examples/make_recording "$exchanges" > "$data.part"
    mv "$data.part" "$data"
fi
cat "$data" > /dev/null

python3 - "$runs" "$data" "$tools" "${BEFORE:-}" <<'PYTHON'
import os, resource, statistics, subprocess, sys, time

runs, data, tools, before = int(sys.argv[1]), *sys.argv[2:]
ours = [
    ["gor-filter"],
    ["gor-filter", "--method", "POST"],
    ["gor-rewrite", "--set-header", "X-Test: 1", "--rewrite-url", "/api/v1:/api/v2"],
    ["gor-rewrite", "--set-header", "X-Test: 1", "--rewrite-url", "^/api/v1/(.*)$:/api/v2/$1"],
]
commands = {"cat": ["cat"], "rg -c POST": ["rg", "-c", "POST"]}
for name, folder in [("", tools), ("before: ", before)]:
    for command in ours if folder else []:
        commands[name + " ".join(command)] = [os.path.join(folder, command[0]), *command[1:]]

figures = {name: [] for name in commands}
for _ in range(runs):
    for name, command in commands.items():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        subprocess.run([*command, data], stdout=subprocess.DEVNULL, check=True)
        took = time.perf_counter() - began
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures[name].append((took, now.ru_utime - used.ru_utime + now.ru_stime - used.ru_stime))

medians = {name: [statistics.median(each) for each in zip(*all)] for name, all in figures.items()}
print(f"{os.path.getsize(data) / 1e6:.0f} MB; medians of {runs} runs in turn")
print(f"{'seconds':>8} {'CPU':>6} {'x cat':>6} {'x rg':>6}  command")
for name, (took, cpu) in medians.items():
    print(f"{took:8.3f} {cpu:6.3f} {took / medians['cat'][0]:6.1f} {took / medians['rg -c POST'][0]:6.1f}  {name}")
PYTHON
