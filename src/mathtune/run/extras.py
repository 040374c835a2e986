"""The extras of pyproject.toml and the packages they bring; one sentence for what is missing.

Used by the command line and by the engines. Imports none of the packages.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from mathtune.errors import InputError

EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "accelerate", "peft", "gguf"), "train"),
    "datasets": "hub",
    **dict.fromkeys(("safetensors", "huggingface_hub"), "train"),
    "vllm": "vllm",
    "ray": "ray",
    "httpx2": "openai",
    **dict.fromkeys(("starlette", "uvicorn", "prometheus_client"), "serve"),
}
"""The extra of pyproject.toml that brings a package."""
BRINGS_TRAIN = {"vllm", "ray", "serve"}
"""The extras that bring the extra `train` with them."""


def require(packages: Iterable[str]) -> None:
    """Raise InputError if packages are missing; it names the extras that bring all of them.

    Example:
        >>> require(["numpy"])
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(sentence(missing))


def sentence(missing: list[str]) -> str:
    """Say what to install.

    Example:
        >>> sentence(["torch", "vllm"]).partition(";")[0]
        'this needs the packages torch and vllm, which are not installed'
        >>> sentence(["torch", "vllm"]).partition("; ")[2]
        "pip install 'mathtune[vllm]' (in a checkout: '.[vllm]')."
    """
    extras = {EXTRAS[name] for name in missing}
    if extras & BRINGS_TRAIN:
        extras -= {"train"}
    names = ",".join(sorted(extras))
    what = (
        f"package {missing[0]}, which is"
        if len(missing) == 1
        else f"packages {', '.join(missing[:-1])} and {missing[-1]}, which are"
    )
    return (
        f"this needs the {what} not installed; "
        f"pip install 'mathtune[{names}]' (in a checkout: '.[{names}]')."
    )
