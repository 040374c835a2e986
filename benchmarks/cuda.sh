#!/usr/bin/env bash
# Everything that wants a CUDA device, on a machine with one and without a network:
#
#     bash benchmarks/cuda.sh OUT [--tiny] [PART...]
#
# correct  tiny models of eight families: sampling, scoring, training, memory that runs out    90 s
# smoke    a real model: greedy tokens, scores, and the commands                               90 s
# speed    beside generate and TRL, with profiles of a decoding step and an update            140 s
# gsm8k    the model on all of GSM8K, two seeds: training, samples of the test problems, drafts  240 s
# judge    the model as the judge of public samples of Llama-3.1-8B                           240 s
# rft      RFT from one and two generators, their control, an evaluator, two seeds            240 s
#
# No PART: all of them. `gsm8k,judge` runs two parts side by side, as no timing should. A part that outlasts its budget (factor: MATHTUNE_BUDGET, 1) is ended, and
# what it wrote stays. OUT gets, for each part, PART.tar.gz: its results (JSON lines, texts), its log and the
# rows that it made. Models stay in MATHTUNE_WORK (/tmp/mathtune-work), and later parts find them.
# MATHTUNE_MODEL names the model folder (models/smollm2), MATHTUNE_DATA the data (../shared/data).
# --tiny rehearses all of it on a CPU, with the embedded model.
set -u
cd "$(dirname "$0")/.." || exit 2
[ $# -ge 1 ] || { sed -n '2,20p' benchmarks/cuda.sh; exit 2; }
OUT=$(mkdir -p "$1" && cd "$1" && pwd) || exit 2
shift
TINY=() DEVICE=cuda
if [ "${1:-}" = --tiny ]; then
    TINY=(--tiny) DEVICE=cpu
    shift
fi
[ $# -gt 0 ] || set -- correct smoke speed gsm8k judge rft
PYTHON=${PYTHON:-python3}
WORK=${MATHTUNE_WORK:-/tmp/mathtune-work}
MODEL=${MATHTUNE_MODEL:-models/smollm2}
[ $DEVICE = cuda ] || MODEL=embedded
export PYTHONPATH="$PWD/src:${PYTHONPATH:-}" HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1
export MATHTUNE_DATA=${MATHTUNE_DATA:-../shared/data}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}

# Run benchmarks/cuda_NAME.py of a part: NAME, then its own arguments.
script() {
    local name=$1
    shift
    $PYTHON "benchmarks/cuda_$name.py" --out "$LINES" --work "$WORK" --device $DEVICE --model "$MODEL" \
        "${TINY[@]}" "$@"
}

# Run several commands side by side, each line of the input one; 1 if any failed.
side_by_side() {
    local ids=() failed=0 line
    while read -r line; do
        eval "script $line" &
        ids+=($!)
    done
    for id in "${ids[@]}"; do wait "$id" || failed=1; done
    return $failed
}

part_correct() { for own in 0 1 2 3 4 5; do echo "correct --share $own/6"; done | side_by_side; }
part_smoke() { script smoke; }
part_speed() { script speed; }
part_gsm8k() {
    side_by_side <<< $'gsm8k --seed 0 --steps ssft,samples,drafts,greedy,base-4-shot\ngsm8k --seed 1 --steps ssft,samples,drafts,greedy'
}
part_judge() { script judge; }
part_rft() {  # first what an ended part gsm8k left open
    local steps=ssft,drafts,grades,paths,rft,rft-samples,control,control-samples,rft-greedy,control-greedy,pairs,evaluator,scores
    steps+=,both-paths,union,union-samples,union-greedy
    side_by_side <<< "gsm8k --seed 0 --steps $steps"$'\n'"gsm8k --seed 1 --steps $steps"
}

declare -A BUDGET=([correct]=90 [smoke]=90 [speed]=140 [gsm8k]=240 [judge]=240 [rft]=240)
declare -A ROWS=([gsm8k]=gsm8k [rft]=gsm8k [judge]=judge)
export -f script side_by_side part_correct part_smoke part_speed part_gsm8k part_judge part_rft
export PYTHON WORK MODEL DEVICE

# Run one part within its budget, and pack what it leaves.
run_part() {
    local part=$1 start=$SECONDS budget code rows kept
    export LINES=$WORK/results/$part
    rm -rf "$LINES" && mkdir -p "$LINES"
    budget=$(awk "BEGIN { print int(${BUDGET[$part]} * ${MATHTUNE_BUDGET:-1}) }")
    [ $DEVICE = cuda ] || budget=3600
    echo "== $part, at most $budget s"
    TINY_TEXT="${TINY[*]}" timeout -k 15 "$budget" bash -c "TINY=(\$TINY_TEXT); part_$part" \
        2>"$LINES/errors.txt" | cut -c1-1500 | tee "$LINES/log.txt"
    code=${PIPESTATUS[0]}
    kept=(-C "$WORK/results" "$part")
    rows=${ROWS[$part]:-}
    if [ -n "$rows" ] && [ -d "$WORK/$rows" ]; then
        kept+=(--exclude=model --exclude=model.partial --exclude=examples.jsonl --exclude=drafts --exclude=grades --exclude=checkpoints -C "$WORK" "$rows")
    fi
    tar -czf "$OUT/$part.tar.gz" "${kept[@]}"
    echo "== $part: exit code $code after $((SECONDS - start)) s"
    return "$code"
}

for part in ${*//,/ }; do
    [ -n "${BUDGET[$part]:-}" ] || { echo "cuda.sh: no part $part; expected some of ${!BUDGET[*]}."; exit 2; }
done
failed=()
for parts in "$@"; do
    declare -A started=()
    for part in ${parts//,/ }; do
        run_part "$part" &
        started[$part]=$!
    done
    for part in "${!started[@]}"; do wait "${started[$part]}" || failed+=("$part"); done
    unset started
done
[ ${#failed[@]} -eq 0 ] || echo "== failed: ${failed[*]}"
[ ${#failed[@]} -eq 0 ]
