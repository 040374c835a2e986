"""Feed damaged files to every reader: each ends well or with one sentence, never in a traceback.

    python benchmarks/fuzz.py                             # make fuzz: 30 minutes
    python benchmarks/fuzz.py --seconds 60 --only yaml    # one reader
    python benchmarks/fuzz.py --seed 7

The stock: the files of tests/foreign, a run folder, settings, a tiny model (safetensors, tokenizer,
GGUF) made here. A mutant has some bytes flipped, cut, repeated or replaced by hostile ones, or, in
JSON, some values replaced. A mutant that does not end in a sentence stays in --keep FOLDER.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mathtune.cli.main import REFUSED
from mathtune.errors import InputError

ROOT = Path(__file__).parent.parent
HOSTILE = (
    b"\x00", b"\xff\xfe", b"\x1b[2J", b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"9" * 5000,
    b"NaN", b"-1", b"1e999", b"null", b"\xed\xa0\x80", b"\\ud800", b"&a [*a]", b"\x7f" * 8,
    b"\xff" * 8, b"\r", b"\n", b'"', b"PAR1", b"GGUF", b"\x1f\x8b",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63, 10**400, 1e308, float("nan"), "", "\x1b[2J", "\ud800", [], {}),
    *([[]], {"": None}, "../../x", "/dev/zero", [None], {"a": {"b": [1]}}, "x" * 10_000),
)
Reader = Callable[[Path], object]


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Damage some places of a file's bytes."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4, 16])):
        at = draw.randrange(len(found) + 1)
        kind = draw.randrange(6)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del found[at : at + draw.choice([1, 4, 64, len(found)])]
        elif kind == 2:
            found[at:at] = draw.choice(HOSTILE)
        elif kind == 3:
            hostile = draw.choice(HOSTILE)
            found[at : at + len(hostile)] = hostile
        elif kind == 4:
            other = draw.randrange(len(found) + 1)
            found[at:at] = found[other : other + draw.choice([1, 16, 256])]
        elif at < len(found):
            found[at] = draw.randrange(256)
    return bytes(found)


def changed(content: bytes, draw: random.Random) -> bytes:
    """Replace, remove or add values in JSON: a document, or lines."""
    try:
        documents = [json.loads(content)]
    except ValueError:
        try:
            documents = [json.loads(line) for line in content.splitlines() if line.strip()]
        except ValueError:
            return mutated(content, draw)
    for _ in range(draw.choice([1, 1, 2, 5])):
        number = draw.randrange(len(documents))
        documents[number] = _changed(documents[number], draw)
    return b"\n".join(json.dumps(one).encode() for one in documents) + b"\n"


def _changed(value: Any, draw: random.Random) -> Any:
    if draw.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return copy.deepcopy(draw.choice(VALUES))
    key = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if draw.random() < 0.15:
        del value[key]
    elif draw.random() < 0.1 and isinstance(value, list):
        value.append(value[key])
    else:
        value[key] = _changed(value[key], draw)
    return value


def stock(place: Path) -> dict[str, tuple[list[Path], Reader]]:
    """Return files to damage and what reads them, by kind."""
    cases = [p for p in (ROOT / "tests/foreign").glob("*/*.*") if p.suffix in SUFFIXES]
    model = _model(place / "model")
    return {
        "foreign": ([p for p in cases if p.suffix in (".json", ".jsonl", ".csv")], _foreign),
        "parquet": ([p for p in cases if p.suffix == ".parquet"] + _arrow(place), _foreign),
        "packed": (_packed(place, cases), _foreign),
        "rows": (_rows(place), _read_rows),
        "problems": (_problems(place), _read_problems),
        "yaml": (sorted((ROOT / "src/mathtune/recipes").glob("*.yaml")), _yaml),
        "run": (_run_files(place / "run"), _read_run),
        "model": ([p for p in model.iterdir() if p.suffix in (".json", ".safetensors")], _load),
        "gguf": ([_gguf(place / "gguf")], _load),
    }


SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")


def _foreign(path: Path) -> object:
    from mathtune.foreign import Request, grade_file
    from mathtune.foreign.grade import tables

    document = grade_file(Request.parse([str(path)]))
    return tables(document)


def _arrow(place: Path) -> list[Path]:
    import pyarrow
    import pyarrow.ipc

    table = pyarrow.table(
        {"problem": ["1+1?"] * 4, "answer": ["2"] * 4, "solution": ["#### 2"] * 4}
    )
    path = place / "samples.arrow"
    with pyarrow.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return [path]


def _packed(place: Path, cases: list[Path]) -> list[Path]:
    import bz2
    import gzip
    import lzma
    import zipfile

    content = next(p for p in cases if p.name == "one_per_row.jsonl").read_bytes()
    packings = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    found = []
    for name, pack in packings.items():
        found.append(place / f"samples.jsonl.{name}")
        found[-1].write_bytes(pack(content))
    log = json.loads(next(p for p in cases if p.name == "inspect.json").read_bytes())
    found.append(place / "log.eval")
    with zipfile.ZipFile(found[-1], "w", zipfile.ZIP_DEFLATED) as archive:
        for number, sample in enumerate(log.get("samples", [])):
            archive.writestr(f"samples/{number}.json", json.dumps(sample))
    return found


def _rows(place: Path) -> list[Path]:
    lines = {
        "samples": '{"problem_id":"%d","index":%d,"text":"#### 2","finish_reason":"stop",'
        '"tokens":3}',
        "grades": '{"problem_id":"%d","index":%d,"answer":"2","rule":"hashes","verdict":"correct",'
        '"cluster":0}',
        "scores": '{"problem_id":"%d","index":%d,"score":0.5}',
    }
    found = []
    for name, line in lines.items():
        found.append(place / f"{name}.jsonl")
        keys = [(problem, index) for problem in range(3) for index in range(2)]
        found[-1].write_text("".join(line % key + "\n" for key in keys))
    return found


def _read_rows(path: Path) -> object:
    from mathtune.rows.samples import read_groups

    kind = path.name.split(".")[0].split("-")[-1]
    if kind == "samples":
        return list(read_groups((path,)))
    samples = path.parent.parent / "samples.jsonl"
    return list(read_groups((samples, path)))


def _problems(place: Path) -> list[Path]:
    path = place / "problems.jsonl"
    rows = [{"id": str(n), "problem": f"{n}+1?", "answer": str(n + 1)} for n in range(4)]
    path.write_text("".join(json.dumps({**row, "solution": "#### 1"}) + "\n" for row in rows))
    return [path]


def _read_problems(path: Path) -> object:
    from mathtune.data.rows import read_rows
    from mathtune.rows.samples import read_problems

    list(read_rows(path))
    return read_problems(path)


def _yaml(path: Path) -> object:
    from mathtune.recipes import resolve

    return resolve("quickstart", config=str(path), assignments=[])


def _run_files(folder: Path) -> list[Path]:
    """Return a small run of real steps that need no model."""
    from mathtune.rows import jsonl
    from mathtune.rows.records import Problem, Sample
    from mathtune.run.recipe_run import Run, planned, work
    from mathtune.stages.grade import Grade
    from mathtune.stages.measure import Measure

    problems, samples = folder.parent / "p.jsonl", folder.parent / "s.jsonl"
    jsonl.write(problems, [Problem(id=n, problem="1 + 1?", answer="2") for n in "ab"])
    rows = [
        Sample(problem_id=n, index=i, text=f"#### {i}", finish_reason="stop", tokens=3)
        for n in "ab"
        for i in range(3)
    ]
    jsonl.write(samples, rows)

    def recipe(run: Run) -> None:
        graded = run("grades", Grade(problems=problems, samples=(samples,)))
        run("row", Measure(problems=problems, samples=graded, resamples=100))

    work(planned(recipe, name="r", folder=folder, overrides={}), recipe, name="r")
    return [path for path in folder.rglob("*.json*") if path.is_file()]


def _read_run(path: Path) -> object:
    """Put the mutant into a copy of the run, and read it as `status`, `show` and `report` do."""
    from mathtune.cli.problems import problem_view
    from mathtune.cli.status import status_table
    from mathtune.report.results import read_run

    folder = path.parent / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(path.parent.parent / "run", folder)
    names = [p for p in folder.rglob("*") if p.name == path.name.split("-", 1)[1]]
    shutil.copyfile(path, names[hash(path.read_bytes()) % len(names)])
    faults = []
    for read in (status_table, read_run, lambda one: problem_view(one, "a", row=None)):
        try:
            read(folder)  # type: ignore[operator]
        except InputError as error:
            faults.append(error)
    if faults:
        raise faults[0]
    return None


def _model(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(("<unk>", "<|end|>", "a", "b", "1", "+"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    config = LlamaConfig(
        vocab_size=6, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, max_position_embeddings=16,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def _gguf(folder: Path) -> Path:
    import gguf
    import numpy as np

    folder.mkdir()
    path = folder / "model.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    for add, value in (
        (writer.add_block_count, 1), (writer.add_context_length, 16),
        (writer.add_embedding_length, 8), (writer.add_feed_forward_length, 8),
        (writer.add_head_count, 1), (writer.add_layer_norm_rms_eps, 1e-5),
    ):  # fmt: skip
        add(value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b", "<|end|>", "ab"])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(2)
    writer.add_tensor("token_embd.weight", np.zeros((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _load(path: Path) -> object:
    """Put the mutant into a copy of its model folder, and load that."""
    from mathtune.engines.transformers.models import load

    if path.suffix == ".gguf":
        return load(str(path), device="cpu")
    folder = path.parent / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(path.parent.parent / "model", folder)
    shutil.copyfile(path, folder / path.name.split("-", 1)[1])
    return load(str(folder), device="cpu")


def fuzz(
    seconds: float, draw: random.Random, *, only: str | None = None, keep: Path | None = None
) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return the mutants tried and those that ended in a sentence, by kind, and the tracebacks."""
    tried: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    faults: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        place = Path(name).resolve()
        (place / "mutants").mkdir()
        kinds = {kind: one for kind, one in stock(place).items() if only in (None, kind)}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for kind, (files, reader) in kinds.items():
                path = draw.choice(files)
                how = changed if "json" in path.suffix and draw.random() < 0.6 else mutated
                mutant = place / "mutants" / f"{tried[kind]}-{path.name}"
                mutant.write_bytes(how(path.read_bytes(), draw))
                tried[kind] += 1
                try:
                    reader(mutant)
                except InputError:
                    refused[kind] += 1
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    if isinstance(error, OSError) and error.errno in REFUSED:
                        refused[kind] += 1  # the command line has a sentence for it
                        mutant.unlink()
                        continue
                    faults.setdefault(_where(error, kind), traceback.format_exc()[-1500:])
                    if keep is not None:
                        keep.mkdir(exist_ok=True)
                        shutil.copy(mutant, keep / f"{kind}-{mutant.name}")
                mutant.unlink()
    return tried, refused, list(faults.values())


def _where(error: BaseException, kind: str) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{kind} {type(error).__name__} {last.filename}:{last.lineno}"


def main() -> int:
    """Fuzz, print the figures; 1 if a reader ended in a traceback."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    draw = random.Random(options.seed)
    tried, refused, faults = fuzz(options.seconds, draw, only=options.only, keep=options.keep)
    print("| reader | mutants | refused in a sentence | read |\n|---|---:|---:|---:|")
    for kind, count in tried.items():
        print(f"| {kind} | {count} | {refused[kind]} | {count - refused[kind]} |")
    for fault in faults:
        print(f"\nTRACEBACK\n{fault}", file=sys.stderr)
    print(f"{len(faults)} places ended in a traceback")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
