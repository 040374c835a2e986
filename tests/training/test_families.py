"""Models of other families learn by their own loss, and take adapters or say why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from mathtune.engines import prompts
from mathtune.engines.transformers import engine, models
from mathtune.errors import InputError
from mathtune.stages.train import Train

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
VISION = {**SHAPE, "image_size": 28, "patch_size": 14}
FAMILIES: dict[str, Any] = {
    "roberta": {**SHAPE, **STILL, "is_decoder": True},  # its positions begin at 2
    "gemma3": {  # the text is inside, and so are most of its settings
        "text_config": {**SHAPE, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 400},
        "vision_config": VISION,
        "mm_tokens_per_image": 4,
    },
    "llama4_text": {  # its router is a linear layer that returns two results
        **SHAPE,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "num_local_experts": 2,
        "intermediate_size_mlp": 48,
    },
    "phi3": {  # a row of more than 50 tokens has other rotary frequencies
        **SHAPE,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [5.0] * 4},
        "original_max_position_embeddings": 50,
    },
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},  # sees all of the text
    "falcon": {
        **SHAPE,
        "new_decoder_architecture": True,
        "num_kv_heads": 2,
    },  # its own linear layer
    "laguna": {  # transformers renames its shared experts
        **SHAPE,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    },
    "falcon_mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
}
PAIRS = [("2 + 2?", "#### 4"), ("What is 12 + 30, if you please?", "12 + 30 = 42\n#### 42")]


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path, character_tokenizer: Any) -> Path:
    tokenizer = character_tokenizer([])
    torch.manual_seed(0)
    size = {} if request.param == "gemma3" else {"vocab_size": len(tokenizer)}
    config = AutoConfig.for_model(request.param, **FAMILIES[request.param], **size)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    rows = [{"problem_id": p, "problem": p, "solution": s, "source": "gold"} for p, s in PAIRS]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def train(folder: Path, **settings: Any) -> float:
    """Train for two updates; return the loss of the first."""
    out = folder / "out"
    out.mkdir()
    given = {"batch_size": 2, "epochs": 2, "device": "cpu", "learning_rate": 1e-3}
    stage = Train(
        model=str(folder / "base"), examples=(folder / "rows.jsonl",), **given, **settings
    )
    stage.run(out)
    return float(json.loads((out / "training.jsonl").read_text().splitlines()[0])["loss"])


@pytest.mark.parametrize("folder", ["roberta", "gemma3", "phi3"], indirect=True)
def test_the_loss_is_that_of_the_models_own_forward_call(folder: Path) -> None:
    found = train(folder)
    model, tokenizer = models.load(str(folder / "base"), device="cpu")
    total, tokens = 0.0, 0
    for problem, solution in PAIRS:
        text = prompts.solver(problem, form="plain", tokenizer=tokenizer)
        before = prompts.encode(text, form="plain", tokenizer=tokenizer)
        target = prompts.target(solution, form="plain", tokenizer=tokenizer)
        with torch.no_grad():
            read = model(torch.tensor([[*before, *target][:-1]])).logits[0, len(before) - 1 :]
        total -= float(read.log_softmax(-1)[range(len(target)), target].sum())
        tokens += len(target)
    assert found == pytest.approx(total / tokens, rel=1e-4)
    assert models.load(str(folder / "out" / "model"), device="cpu")


@pytest.mark.parametrize("folder", ["falcon_mamba"], indirect=True)
def test_adapters_that_do_not_fit_a_family_are_refused_with_the_reason(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"none \(every linear layer\), which peft refuses \(.*out_p"
    ):
        train(folder, lora={"rank": 2})


@pytest.mark.parametrize("folder", ["xlnet"], indirect=True)
def test_a_model_that_reads_ahead_is_not_trained(folder: Path) -> None:
    with pytest.raises(InputError, match="change with the tokens after it"):
        train(folder)
    assert not list((folder / "out").iterdir())


@pytest.mark.parametrize("folder", ["falcon"], indirect=True)
def test_linear_layers_of_a_familys_own_get_adapters(folder: Path) -> None:
    train(folder, lora={"rank": 2, "merge": False})
    weights = load_file(folder / "out" / "adapter" / "adapter_model.safetensors")
    assert sum("query_key_value.lora_A" in name for name in weights) == 2


@pytest.mark.parametrize("folder", ["laguna", "falcon"], indirect=True)
def test_every_adapter_that_was_saved_is_loaded(folder: Path) -> None:
    train(folder, lora={"rank": 2, "merge": False})
    saved = load_file(folder / "out" / "adapter" / "adapter_model.safetensors")
    base, _ = models.load(str(folder / "base"), device="cpu")
    before = {name: weight.clone() for name, weight in base.named_parameters()}
    merged, _ = engine.load(
        str(folder / "base"), folder / "out" / "adapter", device="cpu", dtype="float32"
    )
    scale, compared = 32 / 2, 0  # alpha / rank
    for name, weight in merged.named_parameters():
        a, b = (f"base_model.model.{name[: -len('.weight')]}.lora_{side}.weight" for side in "AB")
        change = scale * saved[b] @ saved[a] if a in saved else torch.zeros_like(weight)
        torch.testing.assert_close(weight - before[name], change, atol=1e-5, rtol=1e-3)
        compared += a in saved
    assert compared == len(saved) / 2


@pytest.mark.parametrize("folder", ["llama4_text"], indirect=True)
def test_layers_that_a_family_has_changed_get_no_adapters(folder: Path) -> None:
    train(folder, lora={"rank": 2, "merge": False})
    weights = load_file(folder / "out" / "adapter" / "adapter_model.safetensors")
    assert any("q_proj" in name for name in weights)
    assert not [name for name in weights if "router" in name]
