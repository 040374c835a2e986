"""Model names as users give them, resolved and checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec

from mathtune.engines import embedded_model
from mathtune.engines.protocol import EngineChoice
from mathtune.engines.settings import EngineSettings
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run import extras
from mathtune.run.fingerprint import refuse_damage
from mathtune.run.progress import say_once
from mathtune.run.recipe_run import looks_like_a_path
from mathtune.run.stage import Input, Stage, marked_inputs

EXPECTED = "expected `embedded`, a hub id, a model folder or a .gguf file"
MAGIC = b"GGUF"
POINTER = b"version https://git-lfs"
TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("tokenizer.model", "tokenizer_config.json"),
)
"""The files that make a tokenizer: one of these groups."""
OTHER_TOKENIZERS = ("tokenizer.model", "tekken.json", "vocab.json", "tiktoken.model")


class ShardIndex(msgspec.Struct):
    """An index file: the shard that holds each weight."""

    weight_map: dict[str, str]


class Model(Input):
    """The mark of a field that names a model, which is checked before any work."""

    def located(self, name: str | Path) -> str | Path:
        """Return the embedded model's folder for `embedded`, and any other name as it is."""
        return embedded_model.path() if name == "embedded" else name

    def check(self, name: str | Path) -> None:
        """Raise InputError for a model that does not exist, or a folder that is not a model."""
        refuse_absent(str(name), needed=False)
        place = Path(source(str(name))[0])
        if place.is_dir():
            refuse_damage(place)


ModelName = Annotated[str, Model()]
"""`embedded`, a hub id, a local folder or a .gguf file."""


def source(name: str) -> tuple[str, dict[str, Any]]:
    """Return the arguments of `from_pretrained` for `name`: a folder or hub id, and .gguf options.

    Raises:
        InputError: the path does not exist or is no model. Hub ids are not looked up here.
    """
    if name == "embedded":
        return str(embedded_model.path()), {}
    path = Path(name).expanduser()
    if path.is_dir():
        _check_folder(name, path)
        return str(path), {}
    if path.suffix == ".gguf" and path.is_file():
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise InputError(f"model {name!r}: does not begin as a GGUF file; {EXPECTED}.")
        # By its name alone, transformers prefers a file of the same name in the working directory.
        return str(path.parent), {"gguf_file": str(path.absolute())}
    if path.exists():
        raise InputError(f"model {name!r}: a file of another kind; {EXPECTED}.")
    if looks_like_a_path(name) or path.suffix == ".gguf":
        raise InputError(f"model {name!r}: no such file or folder; {EXPECTED}.")
    return name, {}


MOST_HEAD = 100_000_000
"""The longest head of a safetensors file, in bytes, that its library reads."""
SIZES = ("vocab_size", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
"""The names of the number of layers in configs."""
MOST_LAYERS = 1000
"""The most layers that a model may have: building more would take hours."""
HUB_SECONDS = 10.0
"""The longest time for the hub to say whether it has a model, in seconds."""


def refuse_absent(name: str, *, needed: bool = True) -> None:
    """Raise InputError if a model is neither here nor on the hub; the hub is asked once.

    `needed`: also if the hub cannot be reached. Otherwise, in a plan, a name in the form of a hub
    id (OWNER/NAME) passes, and a line says so.
    """
    place = Path(source(name)[0])
    if place.exists() or find_spec("huggingface_hub") is None:
        return  # if the package is missing, loading says so
    found = _on_hub(name)
    if found == "no" or (found == "unreachable" and (needed or "/" not in name)):
        reason = "has no such model" if found == "no" else "cannot be reached"
        raise InputError(
            f"model {name!r}: no folder or file here, and the hub {reason}; {EXPECTED}."
        )
    if found == "unreachable":
        line = f"  model {name!r}: the hub cannot be reached to say whether there is such a model"
        say_once(line, line)


def refuse_absent_models(
    stage: Stage[Any], made_by_run: Callable[[str | Path], bool], *, finished: bool
) -> None:
    """Raise InputError if a model that a stage reads, or a package that reads it, does not exist.

    Servers bring their own models; `finished` stages need no packages.
    """
    names = [name for mark, name in marked_inputs(stage) if isinstance(mark, Model)]
    engine = cast(EngineChoice, stage) if isinstance(stage, EngineSettings) else None
    if names and not finished:
        extras.require(["torch"] if engine is None else packages(engine))
    if engine is not None and engine.engine == "openai":
        return
    for name in names:
        if not made_by_run(name):
            refuse_absent(str(name))


def packages(choice: EngineChoice) -> list[str]:
    """Return the packages that an engine needs: its own, and torch for what is done here."""
    engine = {"transformers": [], "openai": ["httpx2"], "vllm": ["vllm"]}[choice.engine]
    torch = ["torch"] if choice.engine != "openai" or is_here(choice.model) else []
    return [*torch, *engine, *([] if choice.ray is None else ["ray"])]


def is_here(model: str) -> bool:
    """Return whether a model is the embedded one, or a file or folder of this machine."""
    return model == "embedded" or Path(model).expanduser().exists()


@cache
def _on_hub(name: str) -> Literal["yes", "no", "unreachable"]:
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
    )

    try:
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return "yes"
        HfApi().model_info(name, timeout=HUB_SECONDS)
    except GatedRepoError:
        return "yes"  # loading explains what is missing
    except (RepositoryNotFoundError, HFValidationError):
        return "no"
    except Exception:  # of the hub's client, which has many for networks and offline mode
        return "unreachable"
    return "yes"


def _check_folder(name: str, path: Path) -> None:
    """Raise InputError for an incomplete model folder, before anything heavy is loaded."""

    def refuse(lack: str) -> None:
        raise InputError(f"model {name!r}: the folder is incomplete: {lack}.")

    if (path / "adapter_config.json").exists():
        base = jsonl.read_json(path / "adapter_config.json").get("base_model_name_or_path")
        gone = isinstance(base, str) and looks_like_a_path(base) and not Path(base).exists()
        raise InputError(
            f"model {name!r}: an adapter alone; expected its base as the model (and, in sample and "
            "score, adapter), or lora.merge=true where it was trained"
            + (f". Its base was {base!r}" if isinstance(base, str) else "")
            + (", which does not exist." if gone else ".")
        )
    if not (path / "config.json").exists():
        inside = [part for part in ("model", "adapter") if (path / part).is_dir()]
        expected = f"expected {Path(name) / inside[0]}" if inside else EXPECTED
        raise InputError(f"model {name!r}: the folder has no config.json; {expected}.")
    if not list(path.glob("*.safetensors")):
        pickles = sorted(found.name for found in path.glob("*.bin"))
        pickle = f"; {pickles[0]} is a pickle, which is never loaded" if pickles else ""
        refuse(f"it has no weights (*.safetensors{pickle})")
    for file in sorted(path.glob("*.safetensors")):
        with file.open("rb") as stream:
            if stream.read(len(POINTER)) == POINTER:
                refuse(f"{file.name} is a pointer of Git LFS, not the weights: run git lfs pull")
        if fault := _fault(file):
            refuse(f"{file.name} {fault}")
    for index in path.glob("*.index.json"):
        shards = set(jsonl.read_json(index, ShardIndex).weight_map.values())
        missing = sorted(shard for shard in shards if not (path / shard).exists())
        if missing:
            refuse(f"{index.name} names {missing[0]}, which does not exist")
    refuse_tokenizer(name, path)
    config = jsonl.read_json(path / "config.json")
    inner = config.get("text_config")
    for field, layers in (*config.items(), *(inner.items() if isinstance(inner, dict) else ())):
        if field in LAYERS and layers is not None and layers not in range(1, MOST_LAYERS + 1):
            raise InputError(
                f"model {name!r}: config.json has {field} {layers!r}; expected a number from 1 to "
                f"{MOST_LAYERS}."
            )
        if field in SIZES and type(layers) is int and layers < 1:
            raise InputError(
                f"model {name!r}: config.json has {field} {layers}; expected a number above 0."
            )
    for said in ("config.json", "generation_config.json"):
        if (path / said).exists():
            _check_ends(name, said, jsonl.read_json(path / said).get("eos_token_id"))


def _fault(file: Path) -> str | None:
    """Return what is wrong with a safetensors file as a whole; None: its size is what it says.

    It begins with the length of its head, in 8 bytes; the head has each weight's place behind it.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8:
            return f"has {size} bytes; expected weights"
        if length > MOST_HEAD:
            return "is no safetensors file"
        if length + 8 > size:
            return f"is cut off after {size:,} bytes"
        head = stream.read(length)
    try:
        weights = msgspec.json.decode(head, type=dict[str, dict[str, Any]])
        ends = [one["data_offsets"][1] for name, one in weights.items() if name != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except (*jsonl.UNREADABLE, KeyError, IndexError, TypeError):
        return "is no safetensors file"
    if size == whole:
        return None
    return f"has {size:,} bytes; expected {whole:,}: it was not copied as a whole"


def refuse_tokenizer(name: str, folder: Path) -> None:
    """Raise InputError for a folder whose tokenizer transformers would make up: without
    tokenizer.json, it knows only special tokens, or reads other files with other token ids.
    """
    if any(all((folder / file).exists() for file in files) for files in TOKENIZERS):
        return
    others = [file for file in OTHER_TOKENIZERS if (folder / file).exists()]
    other = f"; {others[0]} alone would be read with other token ids" if others else ""
    raise InputError(
        f"model {name!r}: the folder is incomplete: it has no tokenizer.json{other}; expected "
        "tokenizer.json, or the model as a .gguf file."
    )


def _check_ends(name: str, file: str, ends: Any) -> None:
    """Raise InputError for end tokens that are no ids; transformers takes them as they are."""
    every = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if any(type(end) is not int for end in every):
        raise InputError(
            f"model {name!r}: {file} has eos_token_id {str(ends)[:80]!r}; expected a token's id, "
            "or a list of ids."
        )
