"""What an engine cannot do, or is not installed for, is told in one sentence before anything is
written.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.run.step import execute
from mathtune.stages.sample import Sample


@pytest.mark.parametrize(
    ("settings", "package", "sentence"),
    [
        ({"engine": "vllm"}, "vllm", r"pip install 'mathtune\[vllm\]' on CUDA, or make vllm-env"),
        ({"ray": {}}, "ray", r"ray: cannot be imported .* pip install 'mathtune\[ray\]'"),
    ],
)
def test_what_is_not_installed_is_named(
    settings: dict[str, Any], package: str, sentence: str, tmp_path: Path
) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    problems = tmp_path / "problems.jsonl"
    jsonl.write(problems, [Problem(id="a", problem="1 + 1?", answer="2")])
    stage = Sample(problems=problems, model="embedded", device="cpu", **settings)
    with pytest.raises(InputError, match=sentence):
        execute(stage, tmp_path / "out", name="out")
    assert not (tmp_path / "out").exists()
