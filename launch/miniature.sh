#!/usr/bin/env bash
# The study of docs/miniature.md on one machine with many cores: a process per seed and part.
#
#     launch/miniature.sh OUT CORES SECONDS [SETTING...]
#
# Needs 16 cores or so, and 1 GB per core. What is unfinished after SECONDS is ended. OUT/miniature.tar.gz holds the run folder without the models; unpack it
# and run `mathtune run miniature --out THAT/miniature ...` with the same settings to finish it and to see the findings.
set -u
out=$(realpath "$1") cores=$2 seconds=$3
shift 3
work=$(mktemp -d)
mkdir -p "$out"
export OMP_NUM_THREADS=1 CUDA_VISIBLE_DEVICES= work
python=${PYTHON:-python3}

jobs() { # name, then settings: the longest first
    for seed in 0 1 2; do echo "judge-$seed seeds=[$seed] parts=[judge] score.workers=2"; done
    for seed in 0 1 2; do echo "union-$seed seeds=[$seed] parts=[union]"; done
    for seed in 0 1 2; do echo "sequential-$seed seeds=[$seed] parts=[sequential]"; done
    for seed in 0 1 2; do echo "rft-$seed seeds=[$seed] parts=[rft]"; done
    for size in 4000 2000 1000 500 250; do
        for seed in 0 1 2; do echo "data-$size-$seed seeds=[$seed] parts=[data] sizes=[$size]"; done
    done
    for seed in 0 1 2; do echo "bases-$seed seeds=[$seed] parts=[bases]"; done
    echo "transfer-0 seeds=[0] parts=[transfer] score.workers=2"
}

one() { # the settings of all, then one job
    read -r name given <<<"$2"
    # shellcheck disable=SC2086
    "$PYTHON_" -m mathtune run miniature --out "$work/$name" $1 $given >"$work/$name.log" 2>&1
}
export -f one
export PYTHON_=$python

jobs | timeout "$seconds" xargs -d '\n' -P "$cores" -I{} bash -c 'one "$0" "$1"' "$*" {}
mkdir -p "$work/miniature"
for folder in "$work"/*-[0-9]; do
    cp -rn "$folder"/. "$work/miniature/"
done
rm -f "$work/miniature/plan.json" "$work/miniature/forecast.json" "$work/miniature/.lock"
rm -rf "$work/miniature/findings"
tail -n 3 "$work"/*.log
cat "$work"/*.log >"$work/miniature/log.txt"
tar -czf "$out/miniature.tar.gz" --exclude=model --exclude=checkpoints --exclude=best -C "$work" miniature
