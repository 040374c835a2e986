"""Whether sampling, scoring and training on a CUDA device are right: part `correct` of cuda.sh.

    python benchmarks/cuda_correct.py --out OUT --work WORK [--tiny --device cpu]

Tiny random models of eight families, in float32 and bfloat16, against transformers' `generate` on
the same device and against our own code on the CPU. Tokens may differ only where the model's two
likeliest tokens are nearly equal: `gap` is the difference of their logits, as part of the range of
all logits. Memory runs out for real, in sampling, scoring and training, under a limit of the
process's memory. Each check is a line of OUT/correct.jsonl.
"""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from lines import Lines, arguments, refuse_without
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler, Sampling
from mathtune.engines.transformers.scoring import Scorer
from mathtune.engines.transformers.top_p import draw
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Pair
from mathtune.stages.train import Train
from mathtune.training import trainer as trainers
from mathtune.training.curve import CurvePoint

FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "olmo2", "gpt_neox", "gemma2", "gemma3")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
GAPS = {"float32": 2e-4, "bfloat16": 3e-2}
"""How near two tokens' logits may be, as part of the range of all, for either to be drawn."""
APART = {"float32": 1e-3, "bfloat16": 0.2}
"""How far a score may be from that of the CPU in float32, at most."""
LOSSES = {"float32": 2e-4, "bfloat16": 3e-2}
"""How far a loss may be from that of the CPU in float32, as part of it."""
OBJECTIVES = ("mle", "cls-margin", "cls-xent", "ctr", "mul-margin", "mul-xent")
GIB = 2**30


def main() -> int:
    """Run the checks, or this process's share of them; 1 if any failed."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--share", default="0/1", help="1/3: the second of three processes")
    args = parser.parse_args()
    refuse_without(args.device)
    torch.set_num_threads(2)
    own, processes = map(int, args.share.split("/"))
    lines = Lines(args.out / (f"correct-{own}.jsonl" if processes > 1 else "correct.jsonl"))
    bench = Bench(args, models.load_tokenizer("embedded"), own)
    for name, run in checks(args, bench)[own::processes]:
        lines.check(name, run)
    return lines.finish()


Check = tuple[str, Callable[[], dict[str, Any]]]


def checks(args: Namespace, bench: Bench) -> list[Check]:
    """All checks, by name; what belongs together is apart, so that processes share the work."""
    families = FAMILIES[:2] if args.tiny else FAMILIES
    found: list[Check] = [
        ("device", partial(described, args)),
        ("cumulative sums never fall", bench.cumulative),
        ("draws as on the CPU", bench.draws),
        ("samples as on the CPU", bench.samples),
        ("samples, few rows in flight", bench.few_rows),
        ("a training continued", bench.continued),
        ("adapters", bench.adapters),
    ]
    if args.device != "cpu":
        found += [
            ("out of memory, sampling", bench.full_sampling),
            ("out of memory, scoring", bench.full_scoring),
            ("out of memory, training", bench.full_training),
        ]
    for family, dtype in product(families, DTYPES):
        found.append((f"greedy, {family}, {dtype}", partial(bench.greedy, family, dtype)))
        found.append((f"scores, {family}, {dtype}", partial(bench.scores, family, dtype)))
    objectives = [("llama", objective) for objective in OBJECTIVES]
    others = [(family, "cls-margin") for family in families[1:]]
    for (family, objective), dtype in product([*objectives, *others], DTYPES):
        run = partial(bench.losses, family, dtype, objective)
        found.append((f"losses, {family}, {dtype}, {objective}", run))
    return found


def described(args: Namespace) -> dict[str, Any]:
    """Return the device and the versions."""
    import transformers

    found: dict[str, Any] = {"torch": torch.__version__, "transformers": transformers.__version__}
    if args.device == "cpu":
        return found
    free, total = torch.cuda.mem_get_info()
    return found | {
        "device": torch.cuda.get_device_name(),
        "free_gib": round(free / GIB, 1),
        "total_gib": round(total / GIB, 1),
    }


def tiny_model(family: str, vocabulary: int, *, width: int = 64) -> PreTrainedModel:
    """Return a random model of a family, on the CPU, whose probabilities differ clearly."""
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 1024,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": 1,
        "pad_token_id": None,
    }
    heads = {"num_key_value_heads": 2}
    narrow = {
        **heads,
        "head_dim": 16,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "query_pre_attn_scalar": 16,
        "tie_word_embeddings": False,
    }
    caps = {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 20.0}
    configs = {
        "llama": lambda: LlamaConfig(**shape, **heads),
        "qwen2": lambda: Qwen2Config(**shape, **heads),
        "qwen3": lambda: Qwen3Config(**shape, **heads, head_dim=16),
        "mistral": lambda: MistralConfig(**shape, **heads, sliding_window=16),
        "olmo2": lambda: Olmo2Config(**shape, **heads),
        "gpt_neox": lambda: GPTNeoXConfig(**shape),
        "gemma2": lambda: Gemma2Config(**shape, **narrow, **caps),
        "gemma3": lambda: Gemma3TextConfig(**shape, **narrow),
    }
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configs[family](), attn_implementation="eager")
    for name, weight in model.named_parameters():
        if name.endswith("bias") or "norm" in name:  # zeros and ones would hide a mistake
            weight.data += 0.1 * torch.randn_like(weight)
    return model.eval()


def problem(number: int) -> str:
    """Return a text whose length differs from number to number."""
    return f"What is {' + '.join(str(number + i) for i in range(1 + number % 9))}?"


class Bench:
    """The checks; each returns what it found."""

    def __init__(self, args: Namespace, tokenizer: Any, own: int) -> None:
        self.device, self.tokenizer = args.device, tokenizer
        self.work = args.work / f"correct-{own}"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.texts = [f"Problem: {problem(i)}\nSolution:\n" for i in range(6 if args.tiny else 24)]
        self.most = 24 if args.tiny else 64

    def model(self, family: str, dtype: str = "float32", device: str = "") -> PreTrainedModel:
        made = tiny_model(family, len(self.tokenizer))
        return made.to(device or self.device, DTYPES[dtype])

    def engine(self, model: PreTrainedModel, rows: int | None = None) -> Sampler:
        return Sampler(model, self.tokenizer, form="plain", rows=rows)

    def sampling(self, n: int, temperature: float, top_p: float = 1.0) -> Sampling:
        return Sampling(n=n, temperature=temperature, top_p=top_p, max_tokens=self.most)

    def cumulative(self) -> dict[str, Any]:
        """Drawing inverts cumulative sums by a binary search, which wants them in order."""
        torch.manual_seed(0)
        logits = torch.randn(64, 49152, device=self.device) * 4
        sums = logits.softmax(-1).cumsum(-1)
        falls = (sums.diff(dim=-1) < 0).sum().item()
        nucleus = logits.softmax(-1).sort(descending=True).values
        nucleus[:, 100:] = 0
        flat = nucleus.cumsum(-1)[:, 100:]
        moved = (flat.diff(dim=-1) != 0).sum().item()
        return {"ok": falls == 0 and moved == 0, "falls": falls, "moves_at_weight_0": moved}

    def draws(self) -> dict[str, Any]:
        """Check that the same numbers draw the same tokens, as often as the probabilities say."""
        torch.manual_seed(0)
        logits, of = torch.randn(4, 512) * 3, torch.arange(4).repeat_interleave(50_000)
        uniforms = torch.rand(len(of))
        found: dict[str, Any] = {}
        for top_p in (1.0, 0.9):
            how = self.sampling(1, 0.7, top_p)
            here = draw(logits, of, uniforms, how)
            there = draw(*(x.to(self.device) for x in (logits, of, uniforms)), how).cpu()
            found[f"equal at top-p {top_p}"] = (here == there).float().mean().item()
        share = there[:50_000].bincount(minlength=512) / 50_000
        p = torch.softmax(logits[0] / 0.7, -1)
        most = (p > 0.05) & (share > 0)
        found["ok"] = min(v for v in found.values()) > 0.9999
        found["largest_share_ratio"] = float((share[most] / p[most]).max())
        return found

    def greedy(self, family: str, dtype: str) -> dict[str, Any]:
        """Greedy tokens beside those of `generate` on this device, and of ours on the CPU."""
        ours = self.tokens(self.model(family, dtype))
        peer = self.model(family, dtype)
        found: dict[str, Any] = {"generate": self.against(ours, self.generated(peer), peer)}
        if dtype == "float32":
            cpu = self.tokens(self.model(family, dtype, "cpu"))
            found["cpu"] = self.against(ours, cpu, peer)
        return found | {"ok": all(part["widest_gap"] <= GAPS[dtype] for part in found.values())}

    def tokens(self, model: PreTrainedModel) -> list[list[int]]:
        """Greedy tokens of every text, up to its end."""
        loop = self.engine(model).decode(self.ids(), self.sampling(1, 0.0), seed=(0, 0))
        lengths = loop._lengths.tolist()
        return [row[:length] for row, length in zip(loop.tokens.tolist(), lengths, strict=True)]

    def ids(self) -> list[list[int]]:
        return [self.tokenizer.encode(text) for text in self.texts]

    @torch.inference_mode()
    def generated(self, peer: PreTrainedModel) -> list[list[int]]:
        """Sample the same by `generate`, in one batch padded on the left."""
        encoded = self.ids()
        longest = max(map(len, encoded))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in encoded])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in encoded])
        made = peer.generate(
            ids.to(self.device),
            attention_mask=mask.to(self.device),
            do_sample=False,
            max_new_tokens=self.most,
            pad_token_id=0,
        )
        ends = set(models.end_tokens(peer, self.tokenizer))
        return [_to_the_end(row, ends) for row in made[:, longest:].tolist()]

    @torch.inference_mode()
    def against(
        self, ours: list[list[int]], theirs: list[list[int]], peer: PreTrainedModel
    ) -> dict[str, Any]:
        """Return the number of equal rows, and the widest gap at the tokens where others differ."""
        gaps = []
        for start, a, b in zip(self.ids(), ours, theirs, strict=True):
            if a == b:
                continue
            at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
            if at is None:
                gaps.append(torch.inf)  # one is the other's beginning: an end was missed
                continue
            logits = peer(torch.tensor([start + a[:at]], device=peer.device)).logits[0, -1].float()
            gaps.append(
                float((logits[a[at]] - logits[b[at]]).abs() / (logits.max() - logits.min()))
            )
        return {
            "rows": len(ours),
            "equal": len(ours) - len(gaps),
            "widest_gap": max(gaps, default=0.0),
            "tokens": sum(map(len, ours)),
        }

    def scores(self, family: str, dtype: str) -> dict[str, Any]:
        """S and likelihoods beside those of the CPU in float32."""
        judged = [
            [
                f"Here is a math problem: {problem(i)}\nHere is a candidate solution: "
                f"{problem(i + j)} is {j}\nThe above candidate solution is"
                for j in range(6)
            ]
            for i in range(6)
        ]
        asked, solutions = self.texts[:6], [[f"{i} and {j}" for j in range(6)] for i in range(6)]
        found = []
        for which, device in ((dtype, self.device), ("float32", "cpu")):
            scorer = Scorer(self.model(family, which, device), self.tokenizer, form="plain")
            likely = scorer.log_likelihoods(asked, solutions)
            found.append((flat(scorer.evaluate(judged)), flat(likely)))
        (here, log), (there, reference) = found
        apart, logs = (here - there).abs(), ((log - reference) / reference).abs()
        return {
            "ok": bool(apart.max() <= APART[dtype] and logs.max() <= APART[dtype] / 10),
            "widest": float(apart.max()),
            "mean": float(apart.mean()),
            "widest_log_p": float(logs.max()),
        }

    def samples(self) -> dict[str, Any]:
        """Compare samples at temperature 0.7, drawn with the same numbers here and on the CPU."""
        sampling = self.sampling(8, 0.7)
        here, there = (
            self.engine(self.model("llama", "float32", device)).sample(
                self.texts, sampling, seed=(0, 0)
            )
            for device in (self.device, "cpu")
        )
        equal = [
            a == b for x, y in zip(here, there, strict=True) for a, b in zip(x, y, strict=True)
        ]
        share = sum(equal) / len(equal)
        return {"ok": share >= 0.97, "samples": len(equal), "equal": share}

    def few_rows(self) -> dict[str, Any]:
        """Check that rows that enter later than others change no sample."""
        sampling = self.sampling(8, 0.7)
        found = [
            self.engine(self.model("llama"), rows).sample(self.texts, sampling, seed=(0, 0))
            for rows in (None, 16)
        ]
        equal = [a == b for x, y in zip(*found, strict=True) for a, b in zip(x, y, strict=True)]
        share = sum(equal) / len(equal)
        return {"ok": share >= 0.97, "samples": len(equal), "equal": share}

    def losses(self, family: str, dtype: str, objective: str) -> dict[str, Any]:
        """Compare the losses of three updates here and on the CPU in float32."""
        found = [
            self.trained(family, objective, device=device, dtype=which)
            for device, which in ((self.device, dtype), ("cpu", "float32"))
        ]
        return compared(*found, bound=LOSSES[dtype])

    def trained(self, family: str, objective: str, **options: Any) -> list[float]:
        """Return the losses of a training in its own folder."""
        folder = self.work / f"{family}-{objective}-{len(list(self.work.iterdir()))}"
        folder.mkdir()
        self.stage(family, objective, **options).run(folder)
        return losses_of(folder)

    def stage(self, family: str, objective: str, **options: Any) -> Train:
        model, rows = self.work / f"model-{family}", self.work / f"{objective}.jsonl"
        if not model.exists():
            tiny_model(family, len(self.tokenizer)).save_pretrained(model)
            self.tokenizer.save_pretrained(model)
        if not rows.exists():
            jsonl.write(rows, examples() if objective == "mle" else pairs())
        defaults: dict[str, Any] = {
            "batch_size": 8,
            "micro_batch_size": 4,
            "updates": 3,
            "learning_rate": 1e-4,
            "warmup": 0,
            "schedule": "constant",
        }
        return Train(
            model=str(model), examples=(rows,), objective=objective, **(defaults | options)
        )

    def continued(self) -> dict[str, Any]:
        """Check that a training that was cut after its fifth update goes on from its fourth."""
        options = {"updates": 8, "save_every": 2, "device": self.device, "dtype": "float32"}
        whole = self.trained("llama", "mle", **options)
        folder = self.work / "continued"
        folder.mkdir()
        stage = self.stage("llama", "mle", **options)
        with broken_after(5), suppress(InterruptedError):
            stage.run(folder)
        left = [path.name for path in (folder / "checkpoints").iterdir()]
        stage.run(folder)
        return compared(losses_of(folder), whole, bound=1e-5) | {"left": left}

    def adapters(self) -> dict[str, Any]:
        """Adapters are trained, saved, loaded beside their base, and sample."""
        from mathtune.engines.transformers import engine

        folder = self.work / "adapters"
        folder.mkdir()
        stage = self.stage(
            "llama", "mle", device=self.device, lora={"rank": 4, "merge": False}, dtype="auto"
        )
        stage.run(folder)
        model, tokenizer = engine.load(
            str(self.work / "model-llama"), folder / "adapter", device=self.device, dtype="auto"
        )
        drafts = Sampler(model, tokenizer, form="plain").sample(
            self.texts[:2], self.sampling(2, 0.7), seed=(0, 0)
        )
        return {"losses": losses_of(folder), "tokens": [d.tokens for g in drafts for d in g]}

    def full_sampling(self) -> dict[str, Any]:
        """Sampling halves its rows until they fit, and draws the same."""
        model = tiny_model("llama", 65536, width=512).to(self.device)
        sampling = Sampling(n=64, temperature=0.7, top_p=1.0, max_tokens=128)
        few = self.engine(model, rows=512).sample(self.texts, sampling, seed=(0, 0))
        engine = self.engine(model)
        planned = engine.rows_for(100, sampling)
        with limited_to(1.5 * GIB):
            drafts = engine.sample(self.texts, sampling, seed=(0, 0))
        equal = [
            a == b for x, y in zip(few, drafts, strict=True) for a, b in zip(x, y, strict=True)
        ]
        share = sum(equal) / len(equal)
        return {
            "ok": engine._rows is not None and share >= 0.95,
            "rows_planned": planned,
            "rows_after": engine._rows,
            "equal": share,
        }

    def full_scoring(self) -> dict[str, Any]:
        """Scoring halves its tokens until they fit, and finds the same scores."""
        model = tiny_model("llama", 65536, width=512).to(self.device)
        groups = [[f"{problem(i)} {j} is" * 12 for j in range(16)] for i in range(64)]
        scorer = Scorer(model, self.tokenizer, form="plain")
        expected = flat(scorer.evaluate(groups))
        with limited_to(1.0 * GIB):
            found = flat(scorer.evaluate(groups))
        apart = float((found - expected).abs().max())
        return {"ok": scorer._parts > 1 and apart < 1e-3, "parts": scorer._parts, "widest": apart}

    def full_training(self) -> dict[str, Any]:
        """Training halves its micro-batch until it fits, and finds the same losses."""
        model = self.work / "model-wide"
        tiny_model("llama", 65536, width=128).save_pretrained(model)
        self.tokenizer.save_pretrained(model)
        rows = self.work / "long.jsonl"
        jsonl.write(
            rows,
            [
                Example(problem_id=str(i), problem=problem(i), solution=f"{problem(i)} " * 12)
                for i in range(128)
            ],
        )
        found = []
        for limit in (None, 1.5 * GIB):
            folder = self.work / f"full-{limit}"
            folder.mkdir()
            stage = Train(
                model=str(model),
                examples=(rows,),
                batch_size=64,
                micro_batch_size=64,
                updates=2,
                learning_rate=1e-3,
                device=self.device,
                dtype="float32",
            )
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            with limited_to(limit), noted_sizes() as sizes:
                stage.run(folder)
            found.append(losses_of(folder))
        result = compared(found[1], found[0], bound=1e-4)
        halved = len(set(sizes)) > 1
        return result | {"ok": result["ok"] and halved, "at_once": sizes}


def _to_the_end(row: list[int], ends: set[int]) -> list[int]:
    return next((row[: at + 1] for at, token in enumerate(row) if token in ends), row)


def flat(groups: list[list[float | None]]) -> Tensor:
    """Return all scores, in order."""
    return torch.tensor([score for group in groups for score in group], dtype=torch.float64)


def losses_of(folder: Path) -> list[float]:
    """Return the loss of every update."""
    points = jsonl.read(folder / "training.jsonl", CurvePoint)
    return [point.loss for point in points if point.loss is not None]


def compared(ours: list[float], theirs: list[float], *, bound: float) -> dict[str, Any]:
    """Return the widest difference of losses, as part of them where they are above 1."""
    widest = max(abs(a - b) / max(abs(b), 1.0) for a, b in zip(ours, theirs, strict=True))
    return {"ok": widest <= bound, "widest": widest, "losses": ours, "expected": theirs}


def examples() -> list[Example]:
    """Return solutions to learn, of different lengths."""
    return [
        Example(problem_id=str(i), problem=problem(i), solution=f"{problem(i + 3)}\n#### {i}")
        for i in range(64)
    ]


def pairs() -> list[Pair]:
    """Return right and wrong solutions, two pairs per problem."""
    return [
        Pair(
            problem_id=str(i // 2),
            problem=problem(i // 2),
            right=f"It is {i}.\n#### {i}",
            wrong=f"{problem(i)} is {i}, so\n#### {i + 1}",
        )
        for i in range(64)
    ]


@contextmanager
def limited_to(limit: float | None) -> Iterator[None]:
    """Let this process have so many bytes of the device's memory, and no more."""
    if limit is None:
        yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@contextmanager
def noted_sizes() -> Iterator[list[int]]:
    """The numbers of items that a Trainer's micro-batches were cut into, as it went."""
    sizes: list[int] = []
    before = trainers._pieces

    def noted(items: Any, most: int) -> Any:
        sizes.append(most)
        return before(items, most)

    trainers._pieces = noted
    try:
        yield sizes
    finally:
        trainers._pieces = before


@contextmanager
def broken_after(update: int) -> Iterator[None]:
    """Let a training end with an error after this update, as a kill would."""
    from mathtune.training.watch import Watch

    before: Callable[..., Any] = Watch.on_log

    def on_log(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        before(self, args, state, control, **more)
        if state.global_step == update:
            raise InterruptedError

    Watch.on_log = on_log  # type: ignore[method-assign]
    try:
        yield
    finally:
        Watch.on_log = before  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
