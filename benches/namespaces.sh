# Sourced by live.sh and soak.sh: nginx here and a client there, in network namespaces, with a veth pair between them.
# Sets work, here, there and nginx; all of it is taken away at exit. Needs root, ip and nginx.
# Usage: set_up NAME [LOCATION]; LOCATION is added to the server of nginx.conf.

cleanup() {
  [ -z "${nginx:-}" ] || kill "$nginx" 2>/dev/null || true
  ip netns del "$here" 2>/dev/null || true
  ip netns del "$there" 2>/dev/null || true
  rm -rf "$work"
}

set_up() {
  work=$(mktemp -d)
  here=gor-$1-$$-here
  there=gor-$1-$$-there
  trap cleanup EXIT
  ip netns add "$here"
  ip netns add "$there"
  ip -n "$here" link add cable type veth peer name cable netns "$there"
  local space last=1
  for space in "$here" "$there"; do
    ip -n "$space" link set lo up
    ip -n "$space" link set cable up
    ip -n "$space" addr add "10.79.0.$last/24" dev cable
    last=$((last + 1))
  done
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
  server { listen 8080 backlog=4096; location / { return 200 "hello, world"; } ${2:-} }
}
CONF
  ip netns exec "$here" nginx -p "$work" -c "$work/nginx.conf" &
  nginx=$!
  until ip netns exec "$there" bash -c 'exec 3<>/dev/tcp/10.79.0.1/8080' 2>/dev/null; do sleep 0.1; done
}
