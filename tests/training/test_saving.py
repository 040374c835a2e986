"""What a training leaves: nothing that was learned is lost, and its configs stop where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from mathtune.errors import InputError
from mathtune.stages.train import Train
from mathtune.training.checkpoint import newest
from mathtune.training.saving import ModelFolder

QUICK: dict[str, Any] = {"device": "cpu", "threads": 1, "batch_size": 4, "learning_rate": 3e-3}
GEMMA = (
    "{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' "
    "+ message['content'] + '<end_of_turn>\n' }}{% endfor %}"
)


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.fixture
def base(tmp_path: Path, save_tiny: Callable[..., None]) -> Path:
    save_tiny(tmp_path / "base")
    return tmp_path / "base"


def trained(base: Path, examples: Path, folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    stage = Train(**{**QUICK, "model": str(base), "examples": (examples,), **config})
    stage.run(folder)
    return Path(stage.outputs(folder))


@pytest.mark.parametrize("lora", [None, {}])
def test_a_base_whose_generation_config_contradicts_itself_is_trained_and_written(
    lora: Any, base: Path, example_file: Path, tmp_path: Path
) -> None:
    change(base / "generation_config.json", do_sample=False, temperature=0.9, top_p=0.6)
    saved = trained(base, example_file, tmp_path / "out", updates=2, lora=lora)
    assert (saved / "model.safetensors").exists()
    written = json.loads((saved / "generation_config.json").read_text())
    assert "temperature" not in written
    assert written["eos_token_id"] == 1


def test_saving_is_tried_before_the_first_update(
    base: Path, example_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise NotImplementedError("no way to write this")

    monkeypatch.setattr(ModelFolder, "_fill", broken)
    with pytest.raises(InputError, match="cannot be saved, as a trial before the first update"):
        trained(base, example_file, tmp_path / "out", updates=2)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("lora", [None, {"merge": True}, {"merge": False}])
@pytest.mark.parametrize("choose", ["last", "loss"])
def test_what_was_learned_outlives_a_failure_at_saving(
    choose: str,
    lora: Any,
    base: Path,
    example_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"epochs": 2, "lora": lora, "choose": choose, "validation": (example_file,)}
    expected = trained(base, example_file, tmp_path / "whole", **config)
    folder = tmp_path / "out"
    with monkeypatch.context() as patch:

        def full(*_: Any) -> None:
            raise OSError("disk full")

        patch.setattr(ModelFolder, "write", full)
        with pytest.raises(OSError, match="disk full"):
            trained(base, example_file, folder, **config)
    left = newest(folder / "checkpoints")
    assert left is not None
    assert left.name == "checkpoint-8"
    curve = (folder / "training.jsonl").read_bytes()
    again = trained(base, example_file, folder, **config)
    assert (folder / "training.jsonl").read_bytes() == curve  # no update was made again
    name = "model.safetensors" if lora != {"merge": False} else "adapter_model.safetensors"
    found, wanted = load_file(again / name), load_file(expected / name)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_a_chat_model_is_taught_and_told_to_stop_at_the_end_of_a_turn(
    tmp_path: Path,
    example_file: Path,
    save_tiny: Callable[..., None],
    character_tokenizer: Callable[..., Any],
) -> None:
    words = ["<start_of_turn>", "<end_of_turn>", " correct", " incorrect"]
    tokenizer = character_tokenizer(words, chat_template=GEMMA)
    tokenizer.add_special_tokens({"additional_special_tokens": words[:2]})
    save_tiny(tmp_path / "base", tokenizer=tokenizer)
    saved = trained(tmp_path / "base", example_file, tmp_path / "out", updates=1)
    turn = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    for name in ("config.json", "generation_config.json"):
        assert json.loads((saved / name).read_text())["eos_token_id"] == [1, turn]
