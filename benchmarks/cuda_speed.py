# ruff: noqa: ARG002 (the signatures are those of transformers)
"""How fast sampling, scoring and training are on a device: part `speed` of cuda.sh.

    python benchmarks/cuda_speed.py --out OUT --work WORK --model models/smollm2 [--tiny]

Sampling: N samples of each problem, beside `generate` called as transformers advises (all samples
of one problem in a call) and with eight problems in a call. Scoring: beside a forward call for each
candidate, and padded batches. Training: beside TRL, if it is installed; see training.py. In the end
a profile of a training step and of a decoding step, as text. Each figure is a line of
OUT/speed.jsonl; a contender's best turn counts.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lines as results
import sampling
import scoring
import torch
import training
import turns
from lines import Lines, refuse_without, synchronized
from torch.profiler import profile
from transformers import TrainerCallback
from transformers.trainer_utils import SaveStrategy

from mathtune.engines import prompts
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler, Sampling
from mathtune.engines.transformers.scoring import Scorer
from mathtune.training import fit

GIB = 2**30
BATCHES = (8, 32)
"""Examples per update of the trainings that race."""
EVALUATOR_BATCH = 16
"""Pairs per update of the evaluators that race."""


def main() -> int:
    """Measure; 1 if anything could not be measured."""
    parser = results.arguments(__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=64, help="samples per problem")
    args = parser.parse_args()
    refuse_without(args.device)
    lines = Lines(args.out / "speed.jsonl")
    lines.check("sampling", partial(of_sampling, args, lines))
    lines.check("training", partial(of_training, args, lines))
    lines.check("scoring", partial(of_scoring, args))
    lines.check("profile of training", partial(profile_of_training, args))
    lines.check("profile of decoding", partial(profile_of_decoding, args))
    return lines.finish()


def best(device: str, run: Callable[[], int], rounds: int) -> dict[str, float]:
    """Return the most items per second of a turn, and the most GiB of tensors."""
    rates = []
    for _ in range(rounds):
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        start = synchronized(device)
        made = run()
        rates.append(made / (synchronized(device) - start))
    memory = torch.cuda.max_memory_allocated() / GIB if device.startswith("cuda") else 0.0
    return {"per_second": round(max(rates), 1), "gib": round(memory, 2), "turns": len(rates)}


def of_sampling(args: Namespace, lines: Lines) -> dict[str, Any]:
    """Useful tokens per second of ours and of `generate`."""
    problems, most, rounds = (4, 16, 1) if args.tiny else (96, 128, 2)
    how = Sampling(n=args.n, temperature=1.0, top_p=1.0, max_tokens=most)
    model, tokenizer = models.load(args.model, device=args.device)
    peer, _ = models.load(args.model, device=args.device)
    texts = asked(tokenizer, problems)
    engine = Sampler(model, tokenizer, form="plain")

    def ours() -> int:
        drafts = engine.sample(texts, how, seed=(0, 0))
        return sum(draft.tokens for group in drafts for draft in group)

    one = sampling.generate(peer, tokenizer, texts[:1], how)
    together = together_by(peer, tokenizer, texts[: min(8, problems)], how)
    # Kernels are loaded and memory is found before anything counts.
    short = replace(how, max_tokens=4)
    engine.sample(texts, short, seed=(0, 0))
    sampling.generate(peer, tokenizer, texts[:1], short)()
    lines.write("sampling", note="warm")
    found: dict[str, Any] = {"rows in flight": engine.rows_for(100, how)}
    contenders = {"generate": one, "generate, 8 problems in a call": together, "ours": ours}
    for name, run in contenders.items():
        found[name] = best(args.device, run, rounds if name == "ours" else 1)
        lines.write("sampling", contender=name, **found[name])
    rate = found["ours"]["per_second"]
    return found | {
        "n": args.n,
        "ratio": round(rate / found["generate"]["per_second"], 2),
        "ratio to 8 in a call": round(
            rate / found["generate, 8 problems in a call"]["per_second"], 2
        ),
    }


def asked(tokenizer: Any, problems: int) -> list[str]:
    """Solver prompts of as many problems."""
    return [
        prompts.solver(turns.question(number), form="plain", tokenizer=tokenizer)
        for number in range(problems)
    ]


def together_by(model: Any, tokenizer: Any, texts: list[str], how: Sampling) -> Callable[[], int]:
    """`generate` with all the samples of several problems in a call, padded on the left."""
    ends = set(models.end_tokens(model, tokenizer))

    @torch.inference_mode()
    def run() -> int:
        encoded = [prompts.encode(text, form="plain", tokenizer=tokenizer) for text in texts]
        longest = max(map(len, encoded))
        ids = [[min(ends)] * (longest - len(row)) + row for row in encoded]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in encoded]
        rows = model.generate(
            torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            do_sample=True,
            temperature=how.temperature,
            top_k=0,
            num_return_sequences=how.n,
            max_new_tokens=how.max_tokens,
            pad_token_id=min(ends),
        )[:, longest:]
        return sum(
            next((at for at, token in enumerate(row) if token in ends), len(row))
            for row in rows.tolist()
        )

    return run


def of_scoring(args: Namespace) -> dict[str, Any]:
    """Return candidates per second of ours, of a forward call each, and of padded batches of 32."""
    problems, n, alone = (2, 4, 4) if args.tiny else (32, 32, 128)
    model, tokenizer = models.load(args.model, device=args.device)
    groups = scoring.candidates(model, tokenizer, problems, n)
    texts = [text for group in groups for text in group]
    peer, _ = models.load(args.model, device=args.device)
    scorer = Scorer(model, tokenizer, form="auto")
    kept: dict[str, list[float]] = {}

    def ours() -> int:
        kept["ours"] = [score or 0.0 for group in scorer.evaluate(groups) for score in group]
        return len(texts)

    def plain(name: str, few: list[str], rows: int) -> Callable[[], int]:
        def run() -> int:
            kept[name] = scoring.forward(peer, tokenizer, few, rows=rows)
            return len(few)

        return run

    rounds = 1 if args.tiny else 2
    found: dict[str, Any] = {
        "ours": best(args.device, ours, rounds),
        "one by one": best(args.device, plain("one", texts[:alone], 1), rounds),
        "padded": best(args.device, plain("padded", texts, 32), rounds),
        "tokens read": scorer.tokens // rounds,
        "tokens": sum(len(tokenizer.encode(text)) for text in texts),
    }
    rate = found["ours"]["per_second"]
    apart = [abs(a - b) for a, b in zip(kept["ours"], kept["padded"], strict=True)]
    single = [abs(a - b) for a, b in zip(kept["ours"], kept["one"], strict=False)]
    return found | {
        "ratio to one by one": round(rate / found["one by one"]["per_second"], 2),
        "ratio to padded": round(rate / found["padded"]["per_second"], 2),
        "widest difference": {"padded": max(apart), "one by one": max(single)},
    }


def of_training(args: Namespace, lines: Lines) -> dict[str, Any]:
    """Target tokens (evaluators: pairs) per second, and memory, of ours and TRL, in turns."""
    settings = settings_of(args)
    rounds = settings.rounds
    batches = BATCHES[:1] if args.tiny else BATCHES
    contenders: dict[str, training.Contender] = {}
    for batch in batches:
        contenders[f"ours, batch {batch}"] = partial(at_batch, "sft", batch, training.ours_trainer)
    for_pairs = 2 if args.tiny else EVALUATOR_BATCH
    contenders["ours, evaluator"] = partial(at_batch, "pairs", for_pairs, training.ours_trainer)
    contenders["limit"] = partial(at_batch, "sft", batches[-1], training.limit)
    if training.without_trl() is None:
        for batch in batches:
            quick = training.trl_sft_best
            contenders[f"trl best, batch {batch}"] = partial(at_batch, "sft", batch, quick)
        sft = partial(at_batch, "sft", batches[-1], training.trl_sft)
        contenders[f"trl, batch {batches[-1]}"] = sft
        reward = training.trl_reward
        contenders["trl, evaluator"] = partial(at_batch, "pairs", for_pairs, reward)
        if importlib.util.find_spec("liger_kernel") is not None and not args.tiny:
            for name, train in (("ours", training.ours_trainer), ("trl best", quick)):
                contenders[f"{name}, liger"] = partial(with_liger, batches[-1], train)
    else:
        lines.write("training", note="TRL is not installed: ours alone")
    count = max(*batches, for_pairs) * (training.WARM + rounds)
    rows = training.problems(args.model, training.data_file(None), count)
    raced = training.race(contenders, settings, rows)
    found = {
        name: {
            "seconds_per_update": round(of["seconds"] / rounds, 4),
            "gib": round(of["memory"], 2),
        }
        for name, of in raced.items()
    }
    ratios = {}
    for name, of in raced.items():
        who, _, what = name.partition(", ")
        ours = raced.get(f"ours, {what}")
        if who.startswith("trl") and ours is not None:
            ratios[f"ours vs {name}"] = round(of["seconds"] / ours["seconds"], 2)
            if of["memory"]:
                ratios[f"memory of {name}"] = round(ours["memory"] / of["memory"], 2)
    return {"contenders": found, "ratios": ratios, "rounds": rounds}


def settings_of(args: Namespace) -> Namespace:
    """Return the arguments that training.py's contenders read."""
    return Namespace(
        model=args.model,
        device=args.device,
        batch=BATCHES[-1],
        rounds=1 if args.tiny else 10,
        profile=False,
        liger=False,
    )


def at_batch(kind: str, batch: int, train: Any, args: Any, rows: Any, pace: Any) -> None:
    """A contender that trains with a batch of its own, on solutions or pairs of these problems."""
    own = rows[: batch * (training.WARM + args.rounds)]
    made: Any = training.solutions(own) if kind == "sft" else training.pairs(own)
    train(Namespace(**{**vars(args), "batch": batch}), made, pace)


def with_liger(batch: int, train: Any, args: Any, rows: Any, pace: Any) -> None:
    """A contender that trains on solutions with Liger's kernels."""
    at_batch("sft", batch, train, Namespace(**{**vars(args), "liger": True}), rows, pace)


def profile_of_decoding(args: Namespace) -> dict[str, Any]:
    """Profile some decoding steps: OUT/profile_decoding.txt."""
    problems, most = (2, 4) if args.tiny else (96, 24)
    how = Sampling(n=args.n, temperature=0.7, top_p=1.0, max_tokens=most)
    model, tokenizer = models.load(args.model, device=args.device)
    texts = asked(tokenizer, problems)
    engine = Sampler(model, tokenizer, form="plain")
    engine.sample(texts, how, seed=(0, 0))
    start = synchronized(args.device)
    engine.sample(texts, how, seed=(0, 0))
    seconds = synchronized(args.device) - start
    with profile() as seen:
        engine.sample(texts, how, seed=(0, 0))
    return written(args, "profile_decoding.txt", seen) | {
        "seconds": round(seconds, 3),
        "steps": most,
        "rows": problems * args.n,
    }


class Profiled(TrainerCallback):
    """Profiles some updates, after three that warm up."""

    def __init__(self, updates: int, device: str) -> None:
        self.seen, self.updates, self.device = profile(), updates, device
        self.times: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.times.append(synchronized(self.device))
        if state.global_step == training.WARM + self.updates:
            self.seen.__enter__()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        synchronized(self.device)
        self.seen.__exit__(None, None, None)


def profile_of_training(args: Namespace) -> dict[str, Any]:
    """Profile some updates: OUT/profile_training.txt."""
    batch, updates = (2, 1) if args.tiny else (64, 4)
    settings = Namespace(**{**vars(settings_of(args)), "batch": batch})
    count = batch * (training.WARM + 2 * updates)
    rows = training.problems(args.model, training.data_file(None), count)
    items, how, model = training.encoded(settings, training.solutions(rows))
    half = args.device.startswith("cuda")
    vocabulary = model.config.vocab_size
    plan = fit.planned(how, items, equal_to=None, vocabulary=vocabulary, bfloat16=half)
    form = fit.batch_form(model, how, plan)
    seen = Profiled(updates, args.device)
    with tempfile.TemporaryDirectory() as folder, fit.installed(model, form):
        arguments = fit.arguments(how, plan, Path(folder), model=model, validate=False)
        arguments.save_strategy = SaveStrategy.NO  # a checkpoint is no part of an update
        fit.Trainer(
            model,
            arguments,
            settings=how,
            items=items,
            validation=[],
            callbacks=[seen],
            form=form,
        ).train()
    steps = [b - a for a, b in zip(seen.times, seen.times[1:], strict=False)]
    return written(args, "profile_training.txt", seen.seen) | {
        "seconds_per_update": steps[training.WARM : training.WARM + updates],
        "tokens_per_update": sum(item.length for item in items) * batch // len(items),
        "updates_profiled": updates,
        "batch": batch,
    }


def written(args: Namespace, name: str, seen: Any) -> dict[str, Any]:
    """Write the profile's tables; the largest entries."""
    averages = seen.key_averages()
    own = "self_device_time_total" if args.device.startswith("cuda") else "self_cpu_time_total"
    tables = [averages.table(sort_by=by, row_limit=40) for by in (own, "self_cpu_time_total")]
    (args.out / name).write_text("\n".join(tables))
    device = sum(entry.self_device_time_total for entry in averages) / 1e6
    top = sorted(averages, key=lambda entry: -getattr(entry, own))[:12]
    return {
        "device_seconds": round(device, 3),
        "top": {entry.key[:80]: round(getattr(entry, own) / 1e3, 1) for entry in top},
    }


if __name__ == "__main__":
    sys.exit(main())
