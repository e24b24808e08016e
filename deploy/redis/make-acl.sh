#!/usr/bin/env bash
# The broker's access list: users.acl with the SHA-256 of two passwords that are read from files, so
# that none is typed or shows in a process list:
#   deploy/redis/make-acl.sh WORKER_PASSWORD_FILE CLIENT_PASSWORD_FILE > deploy/secrets/users.acl
# The list may hold no comment: Redis takes nothing but `user` lines. What they say: the default user,
# whom a connection without a name would be, is off. `worker` takes messages and puts them back.
# `client` adds to the queue and asks how long it is; it can read, remove or name nothing.
set -euo pipefail
[ "$#" -eq 2 ] || { echo "usage: $0 WORKER_PASSWORD_FILE CLIENT_PASSWORD_FILE" >&2; exit 2; }
hash_of() { tr -d '\n' <"$1" | openssl dgst -sha256 -r | cut -d' ' -f1; }
sed -e "s/WORKER_SHA256/$(hash_of "$1")/" -e "s/CLIENT_SHA256/$(hash_of "$2")/" \
  "$(dirname "$0")/users.acl"
