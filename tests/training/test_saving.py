"""What a training leaves: nothing that was learned is lost, and its configs stop where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing

from mathtune.engines import prompts
from mathtune.engines.transformers import engine, models
from mathtune.errors import InputError
from mathtune.stages.train import Train
from mathtune.training.checkpoint import newest
from mathtune.training.saving import ModelFolder, judge_card
from tests.engines.conftest import make_spaced

__all__ = ["make_spaced"]

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


def test_a_negative_pad_token_is_left_out(base: Path, example_file: Path, tmp_path: Path) -> None:
    change(base / "generation_config.json", pad_token_id=-1)
    saved = trained(base, example_file, tmp_path / "out", updates=1)
    written = json.loads((saved / "generation_config.json").read_text())
    assert "pad_token_id" not in written
    assert written["eos_token_id"] == 1


def test_a_config_that_asks_for_other_returns_is_trained_and_written(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    expected = trained(base, example_file, tmp_path / "plain", updates=1)
    asked = {"return_dict": False, "output_attentions": True, "output_hidden_states": True}
    change(base / "config.json", **asked)
    saved = trained(base, example_file, tmp_path / "out", updates=1)
    found, wanted = (load_file(path / "model.safetensors") for path in (saved, expected))
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_the_folder_names_no_code_that_it_does_not_hold(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    change(base / "config.json", auto_map={"AutoModelForCausalLM": "own.Model"})
    change(base / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
    saved = trained(base, example_file, tmp_path / "out", updates=1)
    for name in ("config.json", "tokenizer_config.json"):
        written = json.loads((saved / name).read_text())
        assert not {"auto_map", "is_local", "local_files_only"} & set(written)


def test_saving_is_tried_before_the_first_update(
    base: Path, example_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise NotImplementedError("no way to write this")

    monkeypatch.setattr(ModelFolder, "_fill", broken)
    with pytest.raises(InputError, match="a trial before the first update"):
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


@pytest.mark.parametrize(
    ("setting", "package"),
    [
        ({"optimizer": "adamw_8bit"}, "bitsandbytes"),
        ({"lora": {"bits": 4, "merge": False}}, "bitsandbytes"),
        ({"attention": "flash_attention_2"}, "flash-attn"),
        ({"liger": True}, "liger-kernel"),
    ],
)
def test_a_setting_whose_library_is_missing_is_refused_before_any_work(
    setting: dict[str, Any],
    package: str,
    base: Path,
    example_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mathtune.training.settings.find_spec", lambda _: None)
    with pytest.raises(InputError, match=f"needs {package}, which is not installed"):
        trained(base, example_file, tmp_path / "out", **setting)
    assert list((tmp_path / "out").iterdir()) == []


def test_weights_are_saved_in_the_precision_that_is_asked_for(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    full = trained(base, example_file, tmp_path / "full", updates=2)
    half = trained(base, example_file, tmp_path / "half", updates=2, save_dtype="bfloat16")
    wanted, found = (load_file(path / "model.safetensors") for path in (full, half))
    assert all(torch.equal(found[key], wanted[key].bfloat16()) for key in wanted)
    assert json.loads((half / "config.json").read_text())["dtype"] == "bfloat16"


def fill_a_norm(base: Path, value: float) -> None:
    weights = load_file(base / "model.safetensors")
    name = next(one for one in sorted(weights) if "norm" in one)
    weights[name].fill_(value)
    save_file(weights, base / "model.safetensors", {"format": "pt"})


def test_weights_that_the_precision_cannot_hold_are_refused_before_the_training(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    fill_a_norm(base, 70_000.0)
    with pytest.raises(InputError, match="save_dtype: found float16, which cannot hold 1 of"):
        trained(base, example_file, tmp_path / "out", updates=1, save_dtype="float16")
    saved = trained(base, example_file, tmp_path / "wide", updates=1, save_dtype="bfloat16")
    assert (
        load_file(saved / "model.safetensors").keys()
        == load_file(base / "model.safetensors").keys()
    )


def test_weights_that_grow_too_large_for_the_precision_are_saved_as_they_were_trained(
    base: Path, example_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_a_norm(base, 65_500.0)
    steep = {"updates": 1, "learning_rate": 100.0, "save_dtype": "float16", "warmup": 0.0}
    saved = load_file(trained(base, example_file, tmp_path / "out", **steep) / "model.safetensors")
    assert all(weight.dtype == torch.float32 for weight in saved.values())
    assert all(weight.isfinite().all() for weight in saved.values())
    assert max(weight.abs().max() for weight in saved.values()) > 65_520
    assert "float16 cannot hold 1 of the trained weights" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
@pytest.mark.parametrize(
    "kind",
    [{"dora": True}, {"rslora": True}, {"modules_to_save": ["lm_head"]}, {"targets": ["lm_head"]}],
)
def test_kinds_of_adapters_learn_and_load_again(
    kind: dict[str, Any], base: Path, example_file: Path, tmp_path: Path
) -> None:
    lora = {"rank": 4, **kind}
    merged = trained(base, example_file, tmp_path / "merged", updates=3, lora=lora)
    alone = trained(
        base, example_file, tmp_path / "alone", updates=3, lora={**lora, "merge": False}
    )
    loaded, _ = engine.load(str(base), alone, device="cpu", dtype="float32")
    plain, _ = engine.load(str(merged), None, device="cpu", dtype="float32")
    ids = torch.arange(9)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, plain(ids).logits, atol=1e-5, rtol=1e-4)
    before = load_file(base / "model.safetensors")
    changed = {
        key
        for key, one in load_file(merged / "model.safetensors").items()
        if key not in before or not torch.equal(one, before[key])
    }
    assert ("model.embed_tokens.weight" in changed) == ("modules_to_save" in kind)
    assert ("lm_head.weight" in changed) == ("targets" in kind)


def test_dora_refuses_outputs_without_a_length(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    """Each weight vector is divided by its length: the loss had become no number."""
    weights = load_file(base / "model.safetensors")
    output = weights["model.embed_tokens.weight"]  # it is the output layer, too
    output[output.abs().sum(1) == 0] = 0.1
    lora = {"targets": ["lm_head"], "dora": True}
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    trained(base, example_file, tmp_path / "whole", updates=1, lora=lora)
    output[5] = 0.0
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"dora: found true for lm_head, of which 1 output has"):
        trained(base, example_file, tmp_path / "out", lora=lora)
    trained(base, example_file, tmp_path / "layers", updates=1, lora={"dora": True})


def test_a_module_that_is_not_there_is_named(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="modules_to_save: found head, which the model does not"):
        trained(base, example_file, tmp_path / "out", lora={"modules_to_save": ["head"]})


@pytest.mark.parametrize(
    ("lora", "said"),
    [
        ({"modules_to_save": ["layers"]}, "modules_to_save: found layers, which leaves no layer"),
        ({"modules_to_save": ["model"]}, "modules_to_save: found model, which leaves no layer"),
        ({"targets": ["q_proj"], "modules_to_save": ["q_proj"]}, "modules_to_save: found q_proj"),
        ({"targets": ["all-linear"]}, "or an empty list for all linear layers"),
    ],
)
def test_adapters_without_a_layer_name_the_setting(
    lora: dict[str, Any], said: str, base: Path, example_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        trained(base, example_file, tmp_path / "out", lora=lora)


@pytest.mark.parametrize(("every", "at"), [(2, [2, 4, 5]), (9, [5])])
def test_validation_after_so_many_updates_and_at_the_end(
    every: int, at: list[int], base: Path, example_file: Path, tmp_path: Path
) -> None:
    config = {"updates": 5, "validate_every": every, "validation": (example_file,)}
    saved = trained(base, example_file, tmp_path / "out", choose="loss", **config)
    lines = (saved.parent / "training.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["update"] for row in rows if row.get("validation_loss") is not None] == at


def test_transformers_own_attention_learns_the_same(
    base: Path, example_file: Path, tmp_path: Path
) -> None:
    ours = trained(base, example_file, tmp_path / "ours", updates=2)
    theirs = trained(base, example_file, tmp_path / "theirs", updates=2, attention="sdpa")
    wanted, found = (load_file(path / "model.safetensors") for path in (ours, theirs))
    for key, one in wanted.items():
        torch.testing.assert_close(found[key], one, atol=2e-4, rtol=0)


def test_a_judge_carries_its_card(
    base: Path, pair_file: Path, example_file: Path, tmp_path: Path
) -> None:
    config = {"objective": "cls-margin", "validation": (pair_file,), "updates": 3}
    saved = trained(base, pair_file, tmp_path / "judge", **config)
    card = json.loads((saved / "judge.json").read_text())
    tokenizer = models.load_tokenizer(str(saved))
    wanted = [tokenizer.convert_tokens_to_ids(word) for word in (" correct", " incorrect")]
    assert card["label_token_ids"] == [[wanted[0]], [wanted[1]]]
    assert card["prompt"] == prompts.evaluator(
        "{problem}", "{solution}", form="plain", tokenizer=tokenizer
    )
    body = card["request"]["body"]
    assert body["label_token_ids"] == wanted
    assert body["query"] + body["items"][0] == card["prompt"]
    query, item = (
        text.replace("{problem}", "How many?").replace("{solution}", "It is 7.\n#### 7")
        for text in (body["query"], body["items"][0])
    )
    apart = [tokenizer.encode(text, add_special_tokens=False) for text in (query, item)]
    together = tokenizer.encode(query + item, add_special_tokens=False)
    assert apart[0] + apart[1] == together  # servers tokenise them each by itself
    points = [
        json.loads(line) for line in (saved.parent / "training.jsonl").read_text().splitlines()
    ]
    assert card["auc_within_problems"] == points[-1]["validation_auc"]
    assert not (trained(base, example_file, tmp_path / "solver", updates=1) / "judge.json").exists()


def test_trainings_keep_to_the_models_context(
    base: Path, example_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(base / "config.json", max_position_embeddings=44)
    folder = tmp_path / "out"
    folder.mkdir()
    stage = Train(**QUICK, model=str(base), examples=(example_file,), updates=1)
    metrics = stage.run(folder)
    assert metrics is not None
    rows = [json.loads(line) for line in example_file.read_text().splitlines()]
    whole = [len(f"Problem: {r['problem']}\nSolution:\n{r['solution']}") + 1 for r in rows]
    assert metrics.truncated == sum(length > 44 for length in whole) > 0
    assert "max_length: 44, the model's context, instead of 512" in capsys.readouterr().err


def test_a_judges_request_has_the_start_token_once() -> None:
    tokenizer: Any = models.load_tokenizer("embedded")
    card = judge_card(tokenizer, "plain")
    assert card["request"]["body"]["query"].startswith("Here is a math problem")
    end = tokenizer.eos_token
    start = TemplateProcessing(single=f"{end} $A", special_tokens=[(end, tokenizer.eos_token_id)])
    tokenizer.backend_tokenizer.post_processor = start
    tokenizer.bos_token = end
    card = judge_card(tokenizer, "plain")
    assert card["request"]["body"]["query"].startswith(f"{end}Here is a math problem")
    assert card["request"]["body"]["add_special_tokens"] is False
    assert card["fallback"]["body"]["prompt"] == card["prompt"]


@pytest.mark.parametrize(
    ("content", "solution"),
    [("m.content", "whole"), ("m.content | trim", "without spaces and line breaks at its end")],
)
def test_a_judges_card_says_what_its_template_trims(content: str, solution: str) -> None:
    tokenizer: Any = models.load_tokenizer("embedded")
    tokenizer.chat_template = f"{{% for m in messages %}}{{{{ {content} }}}}|{{% endfor %}}"
    card = judge_card(tokenizer, "chat")
    assert card["solution"] == solution
    read = prompts.evaluator("1 + 1", "2 \n", form="chat", tokenizer=tokenizer)
    sent = "2" if "trim" in content else "2 \n"
    assert card["prompt"].replace("{problem}", "1 + 1").replace("{solution}", sent) == read


@pytest.mark.parametrize("start", ["{{ bos_token }}", ""])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("form", ["plain", "chat"])
def test_a_judges_requests_give_its_own_tokens_with_tokenizers_of_sentencepiece(
    form: Any, everywhere: bool, start: str, make_spaced: Any
) -> None:
    """They put a space before a text, so that the request's item had one more than the judge's."""
    template = start + "{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"
    tokenizer = make_spaced(everywhere=everywhere, template=template)
    card = judge_card(tokenizer, form)
    whole, apart = card["fallback"]["body"], card["request"]["body"]
    for solution in ("It is 7.\n#### 7", "\\boxed{7}", "\n7"):

        def tokens(text: str, added: bool, solution: str = solution) -> list[int]:
            filled = text.replace("{problem}", "How many?").replace("{solution}", solution)
            return list(tokenizer.encode(filled, add_special_tokens=added))

        text = prompts.evaluator("How many?", solution, form=form, tokenizer=tokenizer)
        own = prompts.encode(text, form=form, tokenizer=tokenizer)
        assert tokens(whole["prompt"], whole.get("add_special_tokens", True)) == own
        assert tokens(apart["query"], False) + tokens(apart["items"][0], False) == own
