#!/usr/bin/env bash
# Everything secret that a cluster needs, in one folder: passwords, a private authority and the
# servers' certificate by it, the broker's access list.
#
#   deploy/make-secrets.sh deploy/secrets [NAME…]
#
# NAME: how else than as localhost clients reach this machine (a host's name or an IPv4 address); the
# first one stands in the clients' broker URL. Passwords and the authority are made once and kept
# ever after; the certificate and the files that are made of passwords are written anew each time.
#
# Who may read what: only its owner may enter the folder. Below it everything but the authority's key
# is open to all, for a container sees a mounted file with the numbers of this machine: Redis runs
# as user 999, Neo4j as 7474, the worker as 10001, and none of them owns it.
set -euo pipefail
[ "$#" -ge 1 ] || { echo "usage: $0 FOLDER [NAME…]" >&2; exit 2; }
command -v openssl >/dev/null || { echo "no \`openssl\` on the PATH; install it" >&2; exit 1; }
here="$(cd "$(dirname "$0")" && pwd)"
folder="$1"
shift
names="DNS:localhost,DNS:redis,DNS:neo4j,IP:127.0.0.1"
for name in "$@"; do
  if [[ "$name" =~ ^[0-9]+(\.[0-9]+){3}$ ]]; then
    names+=",IP:$name"
  elif [[ "$name" =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]]; then
    names+=",DNS:$name"
  else
    printf '%q is no name of a host; expected letters, digits, dots, dashes\n' "$name" >&2
    exit 2
  fi
done
# Where workers and clients reach Redis; of another port deploy/local.sh knows.
worker_redis="${WORKER_REDIS:-redis:6379}"
client_redis="${CLIENT_REDIS:-${1:-localhost}:6379}"

umask 077
mkdir -p "$folder/tls"
chmod 700 "$folder"
cd "$folder"

for name in neo4j neo4j_reader redis_worker redis_client; do
  [ -s "$name.txt" ] || openssl rand -hex 24 >"$name.txt"
done
printf 'neo4j/%s\n' "$(<neo4j.txt)" >neo4j_auth.txt
printf 'rediss://worker:%s@%s/0\n' "$(<redis_worker.txt)" "$worker_redis" >broker_url.txt
printf 'rediss://client:%s@%s/0\n' "$(<redis_client.txt)" "$client_redis" >client_broker_url.txt
"$here/redis/make-acl.sh" redis_worker.txt redis_client.txt >users.acl

quietly() { "$@" 2>openssl.log || { cat openssl.log >&2; exit 1; }; }
if [ ! -s ca.key ] || [ ! -s tls/ca.crt ]; then
  quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out tls/ca.crt \
    -days 3650 -subj "/CN=Circuit Atlas private authority" \
    -addext "keyUsage=critical,keyCertSign,cRLSign"
fi
cat >server.ext <<EXTENSIONS
subjectAltName=$names
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
EXTENSIONS
quietly openssl req -newkey rsa:2048 -nodes -keyout tls/server.key -out server.csr \
  -subj "/CN=Circuit Atlas servers"
quietly openssl x509 -req -in server.csr -CA tls/ca.crt -CAkey ca.key \
  -set_serial "0x$(openssl rand -hex 16)" -out tls/server.crt -days 825 -sha256 -extfile server.ext
rm -f server.csr server.ext openssl.log

chmod 755 tls
chmod 644 ./*.txt users.acl tls/*
# What is mounted beside, where it was checked out by somebody as careful as we are.
find "$here/neo4j" "$here/redis/redis.conf" ! -perm -o=r -exec chmod a+rX {} +
