"""Model names as users give them, resolved and checked before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from mathtune.engines import embedded_model
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.run.fingerprint import refuse_damage
from mathtune.run.stage import Input

EXPECTED = "expected `embedded`, a hub id, a model folder or a .gguf file"
MAGIC = b"GGUF"


class ShardIndex(msgspec.Struct):
    """An index file: the shard that holds each weight."""

    weight_map: dict[str, str]


class Model(Input):
    """The mark of a field that names a model: it is checked before any work."""

    def located(self, name: str | Path) -> str | Path:
        """Return the embedded model's folder for `embedded`, and any other name as it is."""
        return embedded_model.path() if name == "embedded" else name

    def check(self, name: str | Path) -> None:
        """Raise InputError for a path that does not exist or is no model."""
        found, _ = source(str(name))
        if Path(found).is_dir():
            refuse_damage(Path(found))


ModelName = Annotated[str, Model()]
"""`embedded`, a hub id, a local folder or a .gguf file."""


def source(name: str) -> tuple[str, dict[str, Any]]:
    """Return what `from_pretrained` takes for `name`: a folder or hub id, and options for a .gguf.

    Raises:
        InputError: the path does not exist or is no model. A hub id is not looked up.
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
        return str(path.parent), {"gguf_file": path.name}
    if path.exists():
        raise InputError(f"model {name!r}: a file of another kind; {EXPECTED}.")
    if name.startswith(("/", "./", "../", "~")) or name.count("/") > 1 or path.suffix == ".gguf":
        raise InputError(f"model {name!r}: no such file or folder; {EXPECTED}.")
    return name, {}


def _check_folder(name: str, path: Path) -> None:
    """Raise InputError for an incomplete model folder, before anything heavy is loaded."""

    def refuse(lack: str) -> None:
        raise InputError(f"model {name!r}: the folder is incomplete: {lack}.")

    if (path / "adapter_config.json").exists():
        raise InputError(
            f"model {name!r}: an adapter alone; expected its base as the model (and, in sample and "
            "score, adapter), or lora.merge=true where it was trained."
        )
    if not (path / "config.json").exists():
        raise InputError(f"model {name!r}: the folder has no config.json; {EXPECTED}.")
    if not list(path.glob("*.safetensors")):
        pickles = sorted(found.name for found in path.glob("*.bin"))
        pickle = f"; {pickles[0]} is a pickle, which is never loaded" if pickles else ""
        refuse(f"it has no weights (*.safetensors{pickle})")
    for index in path.glob("*.index.json"):
        shards = set(jsonl.read_json(index, ShardIndex).weight_map.values())
        missing = sorted(shard for shard in shards if not (path / shard).exists())
        if missing:
            refuse(f"{index.name} names {missing[0]}, which does not exist")
    if not any((path / file).exists() for file in ("tokenizer.json", "tokenizer_config.json")):
        refuse("it has no tokenizer (tokenizer.json or tokenizer_config.json)")
