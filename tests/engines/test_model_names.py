"""Models that are nowhere are refused before any work; the hub is asked at most once."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mathtune.engines import model_names
from mathtune.engines.model_names import refuse_absent, refuse_absent_models
from mathtune.errors import InputError
from mathtune.recipes import resolve
from mathtune.rows import jsonl
from mathtune.run import recipe_run
from mathtune.stages.sample import Sample

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model_names._on_hub.cache_clear()


def test_a_name_that_is_no_hub_id_is_refused_in_a_plan(tmp_path: Path) -> None:
    found = resolve("liu2023", config=None, assignments=["model=tinylama", "data=arithmetic"])
    with pytest.raises(InputError, match="model 'tinylama': no folder or file here, and the hub"):
        recipe_run.planned(
            found.compose, name=found.name, folder=tmp_path / "run", overrides=found.overrides
        )


def test_a_hub_id_passes_in_a_plan_and_not_in_work(capsys: pytest.CaptureFixture[str]) -> None:
    refuse_absent("owner/tinylama-1b", needed=False)
    assert "cannot be reached" in capsys.readouterr().err
    with pytest.raises(InputError, match="the hub cannot be reached"):
        refuse_absent("owner/tinylama-1b")


def test_models_that_are_here_or_elsewhere_pass(tmp_path: Path) -> None:
    refuse_absent("embedded")
    stage = Sample(model="tinylama", problems=tmp_path / "p.jsonl")
    with pytest.raises(InputError, match="tinylama"):
        refuse_absent_models(stage, lambda _: False, finished=False)
    refuse_absent_models(
        stage, lambda name: name == "tinylama", finished=False
    )  # a step will make it
    served = stage.replaced({"engine": "openai"}, where="")
    refuse_absent_models(served, lambda _: False, finished=False)


def test_a_train_steps_folder_is_refused_with_the_models_own(tmp_path: Path) -> None:
    (tmp_path / "ssft" / "model").mkdir(parents=True)
    inner = re.escape(str(tmp_path / "ssft" / "model"))
    with pytest.raises(InputError, match=rf"the folder has no config\.json; expected {inner}"):
        refuse_absent(str(tmp_path / "ssft"))


@pytest.mark.parametrize(
    ("settings", "missing", "sentence"),
    [
        ({}, ["torch"], "package torch, which is not installed; pip install 'mathtune[train]'"),
        (
            {"engine": "vllm"},
            ["torch", "vllm"],
            "packages torch and vllm, which are not installed; pip install 'mathtune[vllm]'",
        ),
        (
            {"engine": "vllm", "ray": {}},
            ["torch", "vllm", "ray"],
            "packages torch, vllm and ray, which are not installed; pip install 'mathtune[ray,vllm",
        ),
        (
            {"engine": "openai"},
            ["torch", "httpx2"],
            "packages torch and httpx2, which are not installed; pip install 'mathtune[openai,tra",
        ),
        (
            {"engine": "openai", "model": "theirs"},
            ["torch", "httpx2"],
            "package httpx2, which is not installed; pip install 'mathtune[openai]'",
        ),
    ],
)
def test_one_install_brings_what_the_engine_needs(
    settings: dict[str, Any], missing: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    stage = Sample(model="embedded", problems=Path("p.jsonl")).replaced(settings, where="")
    with pytest.raises(InputError, match=re.escape(sentence)):
        refuse_absent_models(stage, lambda _: False, finished=False)
    if settings.get("model") is None:  # a finished step needs none of them
        refuse_absent_models(stage, lambda _: False, finished=True)


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("/no/such/base", r"Its base was '/no/such/base', which does not exist\.$"),
        ("owner/tinylama-1b", r"Its base was 'owner/tinylama-1b'\.$"),
        (None, r"where it was trained\.$"),
    ],
)
def test_an_adapter_alone_names_its_base(base: str | None, said: str, tmp_path: Path) -> None:
    jsonl.write_json(tmp_path / "adapter_config.json", {"base_model_name_or_path": base})
    with pytest.raises(InputError, match=f"an adapter alone; .*{said}") as error:
        model_names.source(str(tmp_path))
    assert "\n" not in str(error.value)
