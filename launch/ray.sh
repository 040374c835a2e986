#!/usr/bin/env bash
# Join machines into one Ray cluster by hand. On the first machine, then on every other one:
#
#   launch/ray.sh head
#   launch/ray.sh worker FIRST_MACHINE
#
# then, on the first: mathtune run liu2023 --ray ray.address=auto ...
# Every machine needs the same environment and sees the same folders under the same paths.
set -euo pipefail
port=${RAY_PORT:-6379}
case "${1:-}" in
  head) ray start --head --port "$port" ;;
  worker) ray start --address "${2:?the first machine}:$port" ;;
  stop) ray stop ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
