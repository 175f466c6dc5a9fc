#!/bin/bash
# How fast and how punctual gor-replay is, beside wrk, against one nginx worker on loopback.
# Makes its own data. Needs nginx, wrk, awk and openssl, and GNU time; with vegeta and oha in the PATH, these too.
# Usage: benches/replay.sh [RUNS [PART…]], of the parts full-speed, on-time, precise, tls, connections, vegeta, oha
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
shift || true
parts=" ${*:-full-speed on-time precise tls connections vegeta oha} "
has() { [[ $parts = *" $1 "* ]]; }
ulimit -n 30000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d)
trap 'kill "$nginx" 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-replay
tools=${CARGO_TARGET_DIR:-target}/release
replay=$tools/gor-replay

port=18080
while ss -ltn 2>/dev/null | grep -q ":$port \|:$((port + 1)) "; do port=$((port + 2)); done
tls_port=$((port + 1))
tests/services/tls.sh "$work/tls"
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
worker_rlimit_nofile 30000;
daemon off;
pid $work/nginx.pid;
error_log stderr warn;
events { worker_connections 20000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $work/a; proxy_temp_path $work/b; fastcgi_temp_path $work/c;
  uwsgi_temp_path $work/d; scgi_temp_path $work/e;
  ssl_certificate $work/tls/server.pem; ssl_certificate_key $work/tls/server.key;
  server {
    listen 127.0.0.1:$port backlog=4096; listen 127.0.0.1:$tls_port ssl backlog=4096;
    location / { return 200 "hello, world"; }
  }
}
CONF
nginx -p "$work" -c "$work/nginx.conf" &
nginx=$!
until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.1; done

# 200,000 distinct requests, as many a second as $1 says.
recording() {
  awk -v rate="$1" 'BEGIN {
    for (i = 0; i < 200000; i++) {
      printf "1 %024x %d%09d 0\nGET /item/%d?user=%d HTTP/1.1\r\nHost: shop.example.com\r\n", i,
        1700000000 + int(i / rate), int(i % rate * 1e9 / rate), i, i * 7919 % 100003
      printf "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nCookie: session=%d\r\n\r\n\n🐵🙈🙉\n", i * 31
    }
  }'
}
recording 20000 >"$work/20k.gor"
ls -l "$work/20k.gor" | awk '{ print "recording: " $5 " bytes, 200000 requests" }'

# wrk, and then gor-replay without waiting, against the server at $1; $2 is said, and the rest are options of gor-replay.
beside_wrk() {
  local url=$1 what=$2 run theirs ours
  shift 2
  for run in $(seq "$runs"); do
    { TIMEFORMAT='%U %S'; time wrk -t1 -c32 -d2s "$url/item/1?user=2" \
      -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64)' -H 'Accept: */*' -H 'Cookie: session=1' >"$work/wrk"; } 2>"$work/time"
    theirs=$(awk '/Requests\/sec/ { print $2 }' "$work/wrk")
    served=$(awk '/requests in/ { print $1 }' "$work/wrk")
    { time "$replay" --no-wait --connections 32 "$@" -i "$work/20k.gor" "$url" 2>"$work/ours"; } 2>>"$work/time"
    ours=$(awk '/responses\/s/ { print $(NF - 1) }' "$work/ours")
    awk -v run="$run" -v what="$what" -v wrk="$theirs" -v served="$served" -v ours="$ours" '
      NR == 1 { cost = ($1 + $2) / served * 1e6 }
      NR == 2 { printf "run %d: %s: wrk %d/s, gor-replay --no-wait %d/s, ratio %.2f; CPU a request: wrk %.2f us, gor-replay %.2f us (%.2f user), ratio %.2f\n",
        run, what, wrk, ours, ours / wrk, cost, ($1 + $2) * 5, $1 * 5, ($1 + $2) * 5 / cost }' "$work/time"
  done
}

# Replays on time, with options of gor-replay.
on_time() {
  local run
  for run in $(seq "$runs"); do
    { TIMEFORMAT='%R'; time "$replay" "$@" -i "$work/20k.gor" "127.0.0.1:$port" 2>"$work/ours"; } 2>"$work/time"
    awk -v run="$run" -v how="$*" '/^duration/ { length_of = $2 " " $3 } /^lateness/ { $1 = ""; late = $0 } /^answered/ { answered = $2 }
      END { printf "run %d: 20000/s for 10 s %s: %d answered in %s lateness p50, p90, p99, p99.9, max:%s\n", run, how, answered, length_of, late }' "$work/ours"
  done
}

if has full-speed; then beside_wrk "http://127.0.0.1:$port" plain; fi
if has on-time; then on_time; fi
if has precise; then on_time --precise; fi
if has tls; then beside_wrk "https://127.0.0.1:$tls_port" TLS --skip-verify; fi

# All connections are open from the beginning to the end.
if has connections; then
  for options in '--connections 10000 --min-connections 10000' "--connections 32 --report $work/report.json" '--connections 32'; do
    # shellcheck disable=SC2086
    command time -f '%M' "$replay" --rate 20000/s $options -i "$work/20k.gor" "127.0.0.1:$port" 2>"$work/ours"
    awk -v options="$options" '/^connections/ { connections = $0 } /^answered/ { answered = $2 }
      END { printf "20000/s %s: %d answered, %.0f MB resident; %s\n", options, answered, $1 / 1000, connections }' "$work/ours"
  done
fi

# The URLs of the recording, each with $1 before it.
urls() {
  awk -v before="$1" -v port="$port" 'BEGIN {
    for (i = 0; i < 200000; i++) printf "%shttp://127.0.0.1:%d/item/%d?user=%d\n", before, port, i, i * 7919 % 100003
  }'
}

# gor-replay at $1 requests a second, for 10 s.
at_rate() {
  { TIMEFORMAT='%R %U %S'; time "$replay" --rate "$1/s" --report "$work/report.txt" --force -i "$work/20k.gor" --exit-after 10s \
    "127.0.0.1:$port" 2>"$work/ours"; } 2>"$work/time" || true
  grep '^sent\|^answered\|^latency\|^lateness' "$work/ours" | sed "s/^/gor-replay $1: /"
  awk '{ printf "gor-replay: %s s, CPU %s s user, %s s system\n", $1, $2, $3 }' "$work/time"
}

# The same requests at the same pace. vegeta takes a list of targets into memory, without headers here.
if has vegeta && command -v vegeta >/dev/null; then
  urls 'GET ' >"$work/targets"
  for rate in 5000 20000; do
    { TIMEFORMAT='%R %U %S'; time vegeta attack -rate "$rate" -duration 10s -max-workers 1000 \
      -targets "$work/targets" >"$work/results"; } 2>"$work/time"
    vegeta report -type text "$work/results" | sed -n "/^Requests\|^Latencies\|^Success/s/^/vegeta $rate: /p"
    awk '{ printf "vegeta: %s s, CPU %s s user, %s s system\n", $1, $2, $3 }' "$work/time"
    at_rate "$rate"
  done
fi

# So does oha, of whose URLs each request takes any one. Its latencies are counted from when a request was due.
if has oha && command -v oha >/dev/null; then
  urls '' >"$work/urls"
  for rate in 5000 20000; do
    { TIMEFORMAT='%R %U %S'; time oha --no-tui --no-color --urls-from-file -z 10s -q "$rate" -c 1000 --latency-correction \
      "$work/urls" >"$work/results"; } 2>"$work/time"
    sed -n "/Requests\/sec\|Success rate\|responses$\|50.00%\|99.00%\|99.90%/s/^ */oha $rate: /p" "$work/results"
    awk '{ printf "oha: %s s, CPU %s s user, %s s system\n", $1, $2, $3 }' "$work/time"
    at_rate "$rate"
  done
fi
