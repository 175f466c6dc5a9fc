#!/bin/bash
# How fast and how punctual gor-replay is, beside wrk, against one nginx worker on loopback.
# Makes its own data. Needs nginx, wrk and awk. Usage: benches/replay.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
work=$(mktemp -d)
trap 'kill "$nginx" 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bin gor-replay
tools=${CARGO_TARGET_DIR:-target}/release
replay=$tools/gor-replay

port=18080
while ss -ltn 2>/dev/null | grep -q ":$port "; do port=$((port + 1)); done
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $work/a; proxy_temp_path $work/b; fastcgi_temp_path $work/c;
  uwsgi_temp_path $work/d; scgi_temp_path $work/e;
  server { listen 127.0.0.1:$port backlog=4096; location / { return 200 "hello, world"; } }
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

for run in $(seq "$runs"); do
  wrk -t1 -c32 -d2s "http://127.0.0.1:$port/item/1?user=2" \
    -H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64)' -H 'Accept: */*' -H 'Cookie: session=1' >"$work/wrk"
  theirs=$(awk '/Requests\/sec/ { print $2 }' "$work/wrk")
  { TIMEFORMAT='%U %S'; time "$replay" --no-wait --connections 32 -i "$work/20k.gor" "127.0.0.1:$port" 2>"$work/ours"; } 2>"$work/time"
  ours=$(awk '/responses\/s/ { print $(NF - 1) }' "$work/ours")
  awk -v run="$run" -v wrk="$theirs" -v ours="$ours" '{
    printf "run %d: wrk %d/s, gor-replay --no-wait %d/s, ratio %.2f, CPU a request %.2f us user, %.2f us system\n",
      run, wrk, ours, ours / wrk, $1 * 5, $2 * 5 }' "$work/time"
done

for run in $(seq "$runs"); do
  { TIMEFORMAT='%R'; time "$replay" -i "$work/20k.gor" "127.0.0.1:$port" 2>"$work/ours"; } 2>"$work/time"
  awk -v run="$run" '/^duration/ { length_of = $2 " " $3 } /^lateness/ { $1 = ""; late = $0 } /^answered/ { answered = $2 }
    END { printf "run %d: 20000/s for 10 s: %d answered in %s lateness p50, p90, p99, p99.9, max:%s\n", run, answered, length_of, late }' "$work/ours"
done
