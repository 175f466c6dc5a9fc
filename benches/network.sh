#!/bin/bash
# How fast records go over one TCP connection on loopback, beside plain bytes by cat and /dev/tcp.
# Makes its own data. Needs python3. Usage: benches/network.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-3}
work=$(mktemp -d)
trap 'kill "${receiver:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-filter
cargo build --release --quiet --example make_recording
tools=${CARGO_TARGET_DIR:-target}/release
"$tools/examples/make_recording" 1800000 >"$work/in.gor"
size=$(stat -c %s "$work/in.gor")
cat "$work/in.gor" >/dev/null
echo "recording: $size bytes"

# Takes bytes and ends when the sender does; says where it listens.
cat >"$work/sink.py" <<'PY'
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
stream, _ = listener.accept()
buffer = bytearray(1 << 20)
while stream.recv_into(buffer):
    pass
PY

# Starts what is given, and waits until a line of its output has a port. In $port afterwards.
listen() {
  "$@" >"$work/said" 2>&1 &
  receiver=$!
  until port=$(grep -oE '[0-9]+$' "$work/said" | head -1) && [ -n "$port" ]; do sleep 0.05; done
}

rate() { awk -v what="$1" -v size="$size" -v run="$run" '{ printf "run %d: %s %.2f GB/s, CPU %.2f s user, %.2f s system\n", run, what, size / $1 / 1e9, $2, $3 }' "$work/time"; }

TIMEFORMAT='%R %U %S'
for run in $(seq "$runs"); do
  listen python3 "$work/sink.py"
  { time cat "$work/in.gor" >"/dev/tcp/127.0.0.1/$port"; } 2>"$work/time"
  rate 'cat to a program that reads bytes'
  wait "$receiver"
  listen python3 "$work/sink.py"
  { time "$tools/gor-filter" "$work/in.gor" -o "tcp://127.0.0.1:$port"; } 2>"$work/time"
  rate 'gor-filter to the same'
  wait "$receiver"
  listen "$tools/gor-filter" tcp://127.0.0.1:0 -o null:
  { time "$tools/gor-filter" "$work/in.gor" -o "tcp://127.0.0.1:$port"; } 2>"$work/time"
  rate 'gor-filter to gor-filter'
  kill -INT "$receiver"
  wait "$receiver" || true
done
