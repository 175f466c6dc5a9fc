#!/bin/sh
# Makes the benchmarks' data in bench-data/ from scratch:
#
#   load.pcap  nginx with one worker under wrk on loopback, distinct requests,
#              about 350,000 exchanges in 700,000 packets
#   body.pcap  one download and one upload of 100 MB
#   tiny.pcap  500,000 pipelined minimal requests and their 204s
#
# and beside each, in NAME.truth, what nginx and tcpdump counted. Needs root
# (or the right to capture on lo) and, on Debian:
#   apt-get install nginx-light wrk tcpdump tshark curl python3
set -eu
cd "$(dirname "$0")/.."
mkdir -p bench-data
cd bench-data
work=$(mktemp -d)
chmod 755 "$work"
nginx= tcpdump= wrk=
stop() {
    for pid in $wrk $tcpdump $nginx; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM

for tool in nginx wrk tcpdump capinfos curl python3; do
    command -v $tool >/dev/null || { echo "data.sh: needs $tool" >&2; exit 1; }
done
free_ports() {
    python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[one.getsockname()[1] for one in sockets])'
}
set -- $(free_ports)
port=$1 status_port=$2

cat >"$work/nginx.conf" <<END
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    server {
        listen 127.0.0.1:$port backlog=1024;
        default_type application/json;
        location / { return 200 '{"product":{"id":4711,"name":"Folding Lamp","price":"19.90","stock":12,"tags":["folding","lamp"],"description":"The folding lamp goes wherever a lamp is wanted."},"request":"\$request_id"}\n'; }
        location /tiny { return 204; }
        location /file { alias $work/file; }
        location /upload {
            proxy_pass http://unix:$work/sink;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
    }
    server {
        listen unix:$work/sink;
        location / { return 201 "stored\n"; }
    }
    server {
        listen 127.0.0.1:$status_port;
        location / { stub_status; }
    }
}
END
cat >"$work/load.lua" <<'END'
-- Distinct requests: four in five read the API, one in ten writes to it.
local count, thread = 0, 0
function setup(t) thread = thread + 1; t:set("thread", thread) end
function request()
    count = count + 1
    local user = (count * 7919) % 100003
    local headers = { ["Cookie"] = "session=" .. thread .. "x" .. user, ["Accept"] = "application/json", ["User-Agent"] = "wrk" }
    local kind = count % 10
    if kind == 0 then
        headers["Content-Type"] = "application/json"
        return wrk.format("POST", "/api/cart?request=" .. thread .. "-" .. count, headers, '{"product":' .. user .. ',"quantity":' .. kind + 1 .. '}')
    elseif kind == 1 then
        return wrk.format("GET", "/static/photo-" .. thread .. "-" .. count .. ".png", headers)
    end
    return wrk.format("GET", "/api/products/" .. user .. "?request=" .. thread .. "-" .. count, headers)
end
END
cat >"$work/tiny.lua" <<'END'
-- Thirty-two requests in one write.
local batch
function init() batch = string.rep("GET /tiny HTTP/1.1\r\nHost: a\r\n\r\n", 32) end
function request() return batch end
END

nginx -p "$work" -c "$work/nginx.conf" 2>/dev/null &
nginx=$!
requests() { curl -sS "http://127.0.0.1:$status_port/" | awk 'NR == 3 { print $3 }'; }
for _ in $(seq 100); do requests >/dev/null 2>&1 && break; sleep 0.1; done

start_capture() { # NAME
    tcpdump -Z root -n -i lo -s 0 -B 524288 -w "$1.pcap" "tcp port $port" 2>"$work/tcpdump.log" &
    tcpdump=$!
    for _ in $(seq 100); do grep -q 'listening on' "$work/tcpdump.log" && break; sleep 0.1; done
    before=$(requests)
}
end_capture() { # NAME: writes what was counted
    sleep 2
    # What asked for the count is a request of its own, on the other port.
    asked=$(($(requests) - before - polls - 1))
    kill -INT "$tcpdump"
    wait "$tcpdump" || true
    tcpdump=
    {
        echo "server port: $port"
        echo "requests counted by nginx: $asked"
        sed -n 's/^\([0-9]* packets .*\)/tcpdump: \1/p' "$work/tcpdump.log"
        capinfos -M -c -s -d -u "$1.pcap" 2>/dev/null | sed -n 's/^\(Number of packets\|File size\|Data size\|Capture duration\)/capinfos: \1/p'
    } >"$1.truth"
}
under_wrk() { # NAME REQUESTS SCRIPT: at least so many requests
    start_capture "$1"
    polls=0
    wrk -t2 -c32 -d120 -s "$3" "http://127.0.0.1:$port/" >"$work/wrk.log" 2>&1 &
    wrk=$!
    while kill -0 "$wrk" 2>/dev/null; do
        polls=$((polls + 1))
        [ $(($(requests) - before - polls)) -lt "$2" ] || break
        sleep 0.05
    done
    kill -INT "$wrk" 2>/dev/null || true
    wait "$wrk" || true
    wrk=
    end_capture "$1"
}

under_wrk load 346000 "$work/load.lua"
under_wrk tiny 500000 "$work/tiny.lua"

head -c 100000000 /dev/urandom >"$work/file"
polls=0
start_capture body
curl -sS -o /dev/null "http://127.0.0.1:$port/file"
curl -sS -o /dev/null -T "$work/file" "http://127.0.0.1:$port/upload"
polls=1 # the upload was passed on to the sink: nginx counted it twice
end_capture body
echo "body's SHA-256: $(sha256sum <"$work/file" | cut -d' ' -f1)" >>body.truth

tail -n +1 ./*.truth
