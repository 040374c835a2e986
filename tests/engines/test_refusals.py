"""What an engine cannot do, or is not installed for, is told in one sentence before anything is
written.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GptOssConfig,
    Lfm2Config,
    Llama4TextConfig,
    PreTrainedConfig,
)

from mathtune.engines.transformers.decode import Sampler
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Problem
from mathtune.run.step import execute
from mathtune.stages.sample import Sample

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        (GptOssConfig, {"num_local_experts": 2}, "GptOssAttention uses s_aux, "),
        (Llama4TextConfig, {"num_local_experts": 2}, "layers of another kind .*chunked_attention"),
        (Lfm2Config, {"layer_types": ["conv", "full_attention"]}, "do not each have keys"),
    ],
    ids=["sinks", "chunks", "convolutions"],
)
def test_layers_that_the_transformers_engine_lacks_are_refused(
    kind: type[PreTrainedConfig], more: dict[str, Any], reason: str, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = kind(vocab_size=len(tokenizer), **SHAPE, **more)
    model = AutoModelForCausalLM.from_config(config).eval()
    with pytest.raises(InputError, match=rf"{reason}.*; use engine=vllm, a server"):
        Sampler(model, tokenizer, form="plain")


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
