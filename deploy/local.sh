#!/usr/bin/env bash
# Redis and Neo4j on this machine as a cluster has them, without Docker: TLS by a private authority,
# passwords in files, the configuration of deploy/redis and deploy/neo4j.
#
#   deploy/local.sh up                 # start both and print what a client sets
#   deploy/local.sh settings worker    # print what a worker sets (or: client)
#   deploy/local.sh down
#
#   eval "$(deploy/local.sh settings worker)"; circuits worker
#
# Needs redis-server, openssl, Java 17 or later, Maven (once, for Neo4j's jars) and a Python that has
# circuit-atlas (PYTHON, default python3). CIRCUITS_CLUSTER names the folder for all there is of it
# (default ~/.circuits-cluster), REDIS_PORT and NEO4J_PORT the ports, on 127.0.0.1.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
folder="${CIRCUITS_CLUSTER:-$HOME/.circuits-cluster}"
[[ "$folder" == /* ]] || folder="$PWD/$folder"
python="${PYTHON:-python3}"
started=()

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# The process of this name, if it is ours and runs: a number alone may be another's by now.
pid_of() {
  local pid words
  pid="$(cat "$folder/$1.pid" 2>/dev/null)" || return 1
  words="$({ tr '\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o args= -p "$pid"; } 2>/dev/null || true)"
  [[ "$words" == *"$folder/$1"* ]] && echo "$pid"
}

end() {
  local pid
  pid="$(pid_of "$1")" || return 0
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 600); do
    pid_of "$1" >/dev/null || break
    sleep 0.1
  done
  if pid="$(pid_of "$1")"; then
    kill -KILL "$pid"
    echo "$1 did not stop within 60 s and was killed" >&2
  fi
  rm -f "$folder/$1.pid"
}

# start NAME TEXT COMMAND…: returns once the log of the process has the text.
start() {
  local name="$1" text="$2" log="$folder/$1.log" pid
  shift 2
  nohup "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  started+=("$name")
  echo "$pid" >"$folder/$name.pid"
  for _ in $(seq 3000); do
    if grep -q "$text" "$log"; then return; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  tail -n 30 "$log" >&2
  fail "$name did not start; its log is $log"
}

end_started() {
  local name
  for name in "${started[@]+"${started[@]}"}"; do end "$name"; done
}

up() {
  local tool redis_port="${REDIS_PORT:-6379}" neo4j_port="${NEO4J_PORT:-7687}"
  for tool in redis-server openssl java "$python"; do
    command -v "$tool" >/dev/null || fail "no \`$tool\` on the PATH; install it"
  done
  "$python" -c "import graph_schema" 2>/dev/null ||
    fail "$(command -v "$python") has no circuit-atlas; install it there, or name another by PYTHON"
  [[ "$folder$here" != *[\"\\]* ]] ||
    fail "$folder, $here: Redis and Neo4j take no path with a quotation mark or a backslash"
  if pid_of redis >/dev/null || pid_of neo4j >/dev/null; then
    fail "runs already, from $folder; \`$0 down\` ends it"
  fi
  umask 077
  mkdir -p "$folder/redis" "$folder/artifacts"
  chmod 700 "$folder"
  trap end_started EXIT
  "$python" -m graph_schema.store.servers.neo4j fetch >/dev/null
  WORKER_REDIS="localhost:$redis_port" CLIENT_REDIS="localhost:$redis_port" \
    "$here/make-secrets.sh" "$folder/secrets"
  printf '%s\n' "$neo4j_port" >"$folder/neo4j.port"

  cat >"$folder/redis/redis.conf" <<CONF
include "$here/redis/redis.conf"
dir "$folder/redis"
aclfile "$folder/secrets/users.acl"
bind 127.0.0.1
tls-port $redis_port
tls-cert-file "$folder/secrets/tls/server.crt"
tls-key-file "$folder/secrets/tls/server.key"
tls-ca-cert-file "$folder/secrets/tls/ca.crt"
proc-title-template "{title} {config-file}"
CONF
  start redis "Ready to accept connections" redis-server "$folder/redis/redis.conf"
  start neo4j "^bolt+s://" "$python" -m graph_schema.store.servers.neo4j run "$folder/neo4j" \
    --port "$neo4j_port" --conf "$here/neo4j/neo4j.conf" --secrets "$folder/secrets"
  trap - EXIT
  settings client
}

settings() {
  local url
  case "$1" in
    client) url=client_broker_url.txt ;;
    worker) url=broker_url.txt ;;
    *) fail "settings of \`$1\`? expected client or worker" ;;
  esac
  [ -s "$folder/neo4j.port" ] || fail "nothing was started in $folder; \`$0 up\` does it"
  printf 'export %s=%q\n' \
    CIRCUITS_BROKER_FILE "$folder/secrets/$url" \
    CIRCUITS_GRAPH "bolt+s://localhost:$(<"$folder/neo4j.port")" \
    CIRCUITS_GRAPH_PASSWORD_FILE "$folder/secrets/neo4j.txt" \
    CIRCUITS_GRAPH_READER_USER reader \
    CIRCUITS_GRAPH_READER_PASSWORD_FILE "$folder/secrets/neo4j_reader.txt" \
    CIRCUITS_CA_FILE "$folder/secrets/tls/ca.crt" \
    CIRCUITS_ARTIFACTS "$folder/artifacts"
}

case "${1-}" in
  up) up ;;
  settings) settings "${2:-client}" ;;
  down)
    pid_of redis >/dev/null || pid_of neo4j >/dev/null || echo "nothing runs from $folder"
    end redis
    end neo4j
    ;;
  *)
    echo "usage: $0 up | settings [client|worker] | down" >&2
    exit 2
    ;;
esac
