#!/usr/bin/env bash
# Three replicas behind a balancer, twice: with a lock that reaches only its own process, and with one
# that all share. The stock is guarded by nothing but the lock. Works with any Docker that has Compose.
set -euo pipefail
cd "$(dirname "$0")/.."

docker compose build
trap 'docker compose --profile loadtest down --volumes --timeout 30' EXIT

show() { # show MODE EXPECTATION
  printf '\n== LOCK_MODE=%s: expected to %s\n' "$1" "$2" >&2
  LOCK_MODE=$1 docker compose up --detach --wait
  docker compose run --rm loadtest run --guard none --stock 200 --orders 1000 --clients 64 --expect "$2"
}

show local break
show redis hold
