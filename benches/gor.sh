#!/bin/bash
# How fast gor is beside the pipe of Unix tools that does the same: files with filters, a capture to a file, a file to
# an nginx worker on loopback. Makes its own data. Needs nginx, awk and GNU time.
# Usage: benches/gor.sh [RUNS]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5}
work=$(mktemp -d)
trap 'kill "$nginx" 2>/dev/null || true; rm -rf "$work"' EXIT
cargo build --release --quiet --bins
tools=${CARGO_TARGET_DIR:-$PWD/target}/release
PATH=$tools:$PATH

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

# 200,000 exchanges, 20,000 a second; every fifth request is a POST.
awk 'BEGIN {
  for (i = 0; i < 200000; i++) {
    second = 1700000000 + int(i / 20000); part = int(i % 20000 * 1e9 / 20000)
    method = i % 5 ? "GET" : "POST"
    printf "1 %024x %d%09d 0\n%s /item/%d?user=%d HTTP/1.1\r\nHost: shop.example.com\r\n", i, second, part, method, i, i * 7919 % 100003
    printf "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nCookie: session=%d\r\nContent-Length: 0\r\n\r\n\n🐵🙈🙉\n", i * 31
    printf "2 %024x %d%09d 900000\nHTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world\n🐵🙈🙉\n", i, second, part
  }
}' >"$work/in.gor"
gor-filter --kind request "$work/in.gor" -o "$work/requests.gor"
gor-filter "$work/in.gor" -o "$work/in.pcap"
ls -l "$work/in.gor" | awk '{ print "recording: " $5 " bytes, 200000 exchanges" }'

# The median of the times of a command, in seconds, and its largest memory in MB.
median() {
  for ((run = 0; run < runs; run++)); do
    rm -f "$work"/out*
    command time -f '%e %U %S %M' -o "$work/time" bash -c "$1" >/dev/null 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
    cat "$work/time"
  done | sort -n | awk '{ t[NR] = $1; c[NR] = $2 + $3; m[NR] = $4 } END { i = int((NR + 1) / 2); printf "%.2f s, %.2f s CPU, %d MB", t[i], c[i], m[i] / 1024 }'
}
beside() {
  echo "$1: gor $(median "cd $work && $2"); pipe $(median "cd $work && $3")"
}
beside "file to file, all" \
  "gor --input-file in.gor --output-file out.gor --output-file-append" "gor-filter in.gor -o out.gor"
beside "file to file, GET" \
  "gor --input-file in.gor --output-file out.gor --output-file-append --http-allow-method GET" \
  "gor-filter --method GET in.gor -o out.gor"
beside "file to file, GET and a header" \
  "gor --input-file in.gor --output-file out.gor --output-file-append --http-allow-method GET --http-set-header 'X-A: 1' --http-rewrite-url '/item/:/thing/'" \
  "gor-rewrite --set-header 'X-A: 1' in.gor | gor-filter --method GET | gor-rewrite --rewrite-url '/item/:/thing/' -o out.gor"
beside "capture to file" \
  "gor --input-raw in.pcap:80 --input-raw-engine pcap_file --input-raw-track-response --output-file out.gor --output-file-append" \
  "gor-record -r in.pcap :80 --responses -o out.gor"
beside "file to server, as fast as it answers" \
  "gor --input-file 'requests.gor|1000000%' --output-http http://127.0.0.1:$port --output-http-workers 64" \
  "gor-filter requests.gor | gor-replay --no-wait --connections 64 http://127.0.0.1:$port"
beside "file to server, 20,000 a second for 10 s" \
  "gor --input-file requests.gor --output-http http://127.0.0.1:$port" \
  "gor-filter requests.gor | gor-replay http://127.0.0.1:$port"
