#!/usr/bin/env bash
# Fill users.acl from two password files, so that no password is typed or shows in a process list:
#   deploy/redis/make-acl.sh WORKER_PASSWORD_FILE CLIENT_PASSWORD_FILE > users.acl
set -euo pipefail
[ "$#" -eq 2 ] || { echo "usage: $0 WORKER_PASSWORD_FILE CLIENT_PASSWORD_FILE" >&2; exit 2; }
hash_of() { tr -d '\n' <"$1" | sha256sum | cut -d' ' -f1; }
umask 077
sed -e "s/WORKER_SHA256/$(hash_of "$1")/" -e "s/CLIENT_SHA256/$(hash_of "$2")/" \
  "$(dirname "$0")/users.acl"
