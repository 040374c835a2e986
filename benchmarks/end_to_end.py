"""How long a small job takes end to end, beside the same job written with TRL and `generate`.

    python benchmarks/end_to_end.py [--json]            models/smollm2 on GSM8K, one thread
    python benchmarks/end_to_end.py --model embedded    on the embedded problems
    python benchmarks/end_to_end.py --problems 4 --batch 8
    python benchmarks/end_to_end.py --device cuda --problems 64 --batch 16     on a GPU, not run yet

Needs TRL (`pip install -c constraints.txt -e '.[bench]'`) and models/smollm2 (`make smollm2`).
GSM8K's training problems come from --data or MATHTUNE_DATA; where they are not there, and
for the embedded model, the problems are the embedded ones. On the CPU everything runs in float32
and CPU seconds count, on a GPU in bfloat16 (trained weights in float32) and the clock's seconds.

The job is the main chain of the recipe smollm2-gsm8k, as much of it as falls to `--problems` of its
7,473 training problems. To one of them fall

     4 solutions learned    one solution in four epochs; here four problems in one epoch
    27 samples drawn        16 of itself, and its part of the test problems' 1,319 x 64 (11)
     4 pairs learned        two for each of two evaluators (how many a problem gives, at most ten,
                            hangs on the model; smollm2-gsm8k-small takes at most two)
    27 candidates scored    all samples once, where the recipe has its part of the test samples (11)
                            read by two evaluators and for their likelihood (34)

and this is all the weighting there is: the job is run whole, and the overall ratio is the sum of
the peers' CPU seconds over the sum of ours. Solutions and pairs are those of training.py.

    stage      ours               the peer
    sft        our train step     TRL's SFTTrainer as it is
    sample     Sampler.sample    one `generate` a problem; temperature 0.7, both up to 256 tokens
    evaluator  cls-margin         TRL's RewardTrainer as it is
    score      Scorer.evaluate    a forward call a candidate, or padded batches of 32: the faster

Every stage begins with the base's weights, so that no stage's size depends on another's result.
Both ways run in one process; trainings, as in training.py, in a process each, updates in turns.
Loading, encoding a training's rows, and what warms up (three updates, eight tokens, four
candidates) are not counted. Samples differ from engine to engine: the peer's seconds are those for
as many useful tokens as ours have, as in sampling.py. Our samples are scored as they are; of those
that are the same word for word, ours reads one.

Printed last, with --json: `end to end sft`, `... sample`, `... evaluator`, `... score` and `end to
end`, the whole; the name of a model other than models/smollm2 stands before them. More than 1 is
ours faster. With SmolLM2 it takes some twelve CPU-minutes and 10 GB of memory.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sampling
import scoring
import torch
import training
import turns

from mathtune.engines import prompts
from mathtune.engines.protocol import Draft
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler, Sampling
from mathtune.engines.transformers.scoring import Scorer
from mathtune.rows.records import Problem

SMOLLM2 = "models/smollm2"
SIZES = {"embedded": (16, 160), SMOLLM2: (2, 256)}
"""Training problems whose part of the recipe is run, and a sample's most tokens."""
LEARNED, SAMPLES = 4, 27
"""The items per problem: solutions and as many pairs, samples and as many candidates."""


@dataclass(frozen=True)
class Stage:
    """CPU seconds of one stage, both ways."""

    name: str
    job: str
    ours: float
    theirs: float
    peer: str


def main() -> int:
    """Measure and print; 2 where a model or TRL is not there."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", action="append", help="embedded or a model folder; may be repeated"
    )
    parser.add_argument("--data", type=Path, help="the folder of GSM8K's file")
    parser.add_argument("--problems", type=int, help="training problems whose part is run")
    parser.add_argument("--batch", type=int, default=4, help="solutions or pairs an update")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON, last")
    args = parser.parse_args()
    names: list[str] = args.model or [SMOLLM2]
    lack = turns.missing(names) or training.without_trl() or turns.without(args.device)
    if lack:
        print(lack, file=sys.stderr)
        return 2
    for name in names:
        problems = args.problems or size(name)[0]
        if problems * LEARNED % args.batch:
            parser.error(f"--batch: found {args.batch}; expected a divisor of {problems * LEARNED}")
    torch.set_num_threads(1)
    found: dict[str, float] = {}
    for name in names:
        stages = measured(name, args)
        whole = Stage("all", "", sum(s.ours for s in stages), sum(s.theirs for s in stages), "")
        print("\n".join(map(line, [*stages, whole])))
        found |= ratios(stages, "" if name == SMOLLM2 else f"{Path(name).name} ")
    return turns.finish(found, as_json=args.json)


def size(name: str) -> tuple[int, int]:
    """Return a model's sizes, unless they are given."""
    return SIZES["embedded" if name == "embedded" else SMOLLM2]


def measured(name: str, args: Namespace) -> list[Stage]:
    """One model's stages, printed as they end; trainings come first, while memory is free."""
    count = args.problems or size(name)[0]
    updates = count * LEARNED // args.batch
    job = Namespace(model=name, batch=args.batch, rounds=updates, profile=False, device=args.device)
    file = training.data_file(args.data)
    source = name if file.exists() else "embedded"
    problems = training.problems(source, file, args.batch * (training.WARM + updates))
    print(
        f"{name} on {args.device}, 1 thread: the part of {count} training problems "
        f"({'embedded' if source == 'embedded' else 'GSM8K'}), {args.batch} rows per update",
        flush=True,
    )
    sft = trained("sft", "solutions", job, training.solutions(problems))
    print(line(sft), flush=True)
    evaluator = trained("evaluator", "pairs", job, training.pairs(problems))
    print(line(evaluator), flush=True)
    asked = problems[-count:]  # as many as the job has
    # The engine replaces its model's attention, so the peers get a model of their own.
    (model, tokenizer), (peer, _) = (models.load(name, device=args.device) for _ in range(2))
    sample, drafts = sampled(model, peer, tokenizer, asked, most=size(name)[1])
    print(line(sample), flush=True)
    score = scored(model, peer, tokenizer, asked, drafts)
    return [sft, sample, evaluator, score]


def trained(name: str, what: str, job: Namespace, rows: list[Any]) -> Stage:
    """Run a training against TRL's."""
    title, train = {
        "sft": ("SFTTrainer", training.trl_sft),
        "evaluator": ("RewardTrainer", training.trl_reward),
    }[name]
    found = training.race({"ours": training.ours_trainer, "peer": train}, job, rows)
    seconds = {way: counted["seconds"] for way, counted in found.items()}
    memory = " and ".join(f"{counted['memory']:.1f}" for counted in found.values())
    print(f"{name}: peak memory {memory} GiB, ours and {title}", flush=True)
    return Stage(name, f"{job.rounds * job.batch} {what}", seconds["ours"], seconds["peer"], title)


def sampled(
    model: Any, peer: Any, tokenizer: Any, problems: list[Problem], *, most: int
) -> tuple[Stage, list[list[Draft]]]:
    """Return samples of every problem, and the stage that drew them."""
    texts = [
        prompts.solver(problem.problem, form="auto", tokenizer=tokenizer) for problem in problems
    ]
    engine = Sampler(model, tokenizer, form="auto")
    drafts: list[list[Draft]] = []

    def ours() -> int:
        drafts[:] = engine.sample(texts, how, seed=(0, 0))
        return sum(draft.tokens for group in drafts for draft in group)

    for tokens in (8, most):  # the first warms up
        how = Sampling(n=SAMPLES, temperature=0.7, top_p=1.0, max_tokens=tokens)
        theirs = sampling.generate(peer, tokenizer, texts, how)
        rates = turns.race({"generate": theirs, "ours": ours}, model.device, rounds=1)
    made = sum(draft.tokens for group in drafts for draft in group)
    job = f"{len(texts) * SAMPLES} samples, {made:,} tokens"
    return Stage("sample", job, made / rates["ours"], made / rates["generate"], "generate"), drafts


def scored(
    model: Any, peer: Any, tokenizer: Any, problems: list[Problem], drafts: list[list[Draft]]
) -> Stage:
    """S of every sample; of the peer's two ways the faster."""
    whole = [
        [
            prompts.evaluator(problem.problem, draft.text, form="auto", tokenizer=tokenizer)
            for draft in group
        ]
        for problem, group in zip(problems, drafts, strict=True)
    ]
    scorer = Scorer(model, tokenizer, form="auto")
    found: dict[str, scoring.Scores] = {}
    for groups in ([whole[0][:4]], whole):  # the first warms up
        contenders = scoring.ways(scorer, peer, groups, found)
        rates = turns.race(contenders, model.device, rounds=1)
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["batch1"], strict=True))
    seconds = {way: len(found[way]) / rate for way, rate in rates.items()}
    print(
        "score: "
        + ", ".join(f"{way} {took:.1f} s" for way, took in seconds.items())
        + f"; largest difference from batch1: {apart:.1e}",
        flush=True,
    )
    better = min("batch1", "padded", key=seconds.__getitem__)
    job = f"{len(found['ours'])} candidates"
    return Stage("score", job, seconds["ours"], seconds[better], better)


def line(s: Stage) -> str:
    """Return a stage in a line."""
    return (
        f"{s.name:<11}{s.job:<28}{s.ours:>9.2f} s, {s.peer or 'peers':<14}{s.theirs:>9.2f}, "
        f"ratio {s.theirs / s.ours:.2f}"
    )


def ratios(stages: list[Stage], before: str) -> dict[str, float]:
    """Return the peer's seconds over ours, of each stage and of all together."""
    found = {f"{before}end to end {s.name}": s.theirs / s.ours for s in stages}
    whole = sum(s.theirs for s in stages) / sum(s.ours for s in stages)
    return {
        name: round(value, 2) for name, value in (found | {f"{before}end to end": whole}).items()
    }


if __name__ == "__main__":
    sys.exit(main())
