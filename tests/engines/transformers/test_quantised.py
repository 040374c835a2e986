"""Quantised checkpoints, each with the library that reads it: samples and scores equal the
library's own `generate` and forward call. Skipped where a library is not installed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from mathtune.engines import prompts
from mathtune.engines.protocol import Sampling
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler
from mathtune.engines.transformers.scoring import Scorer

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own

GROUP = 32
"""The number of inputs that share a scale."""
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
PROBLEMS = [
    ("What is 12 + 30?", ["5 + 7 = 12\n#### 12", "5\n", "Tom has 42 apples " * 5, ""]),
    ("Tom buys 7 more. How many?", ["7", "12 apples 12 apples"]),
]
Weights = dict[str, Tensor]


def through(name: str, *options: Any, **named: Any) -> Callable[[Path], None]:
    """Let a library quantise a folder's model: `name` of transformers' configs."""

    def quantise(folder: Path) -> None:
        import transformers

        config = getattr(transformers, name)(*(option() for option in options), **named)
        made = AutoModelForCausalLM.from_pretrained(folder, quantization_config=config)
        made.save_pretrained(folder)

    return quantise


def torchao(name: str) -> Callable[[], Any]:
    """Return what makes the torchao config of a name."""

    def config() -> Any:
        from torchao import quantization

        return getattr(quantization, name)()

    return config


def packed(values: Tensor, order: Any = range(8)) -> Tensor:
    """Pack eight numbers of 4 bits into each int32 of the last dimension, the first one lowest."""
    eight = values.reshape(*values.shape[:-1], -1, 8).long()
    words = sum(eight[..., place] << (4 * at) for at, place in enumerate(order))
    return torch.as_tensor(words).to(torch.int32).contiguous()


def rounded(weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Round a weight [out, in] to 4 bits: numbers [in, out], zeros and scales [groups, out], and
    the weight that they mean. Scales are powers of two, so float16 holds every product.
    """
    groups = weight.T.reshape(-1, GROUP, len(weight))
    low, high = groups.amin(1), groups.amax(1)
    scales = 2.0 ** ((high - low) / 15).log2().ceil()
    zeros = (-low / scales).round().clamp(1, 15)
    numbers = (groups / scales[:, None] + zeros[:, None]).round().clamp(0, 15)
    whole = (numbers - zeros[:, None]) * scales[:, None]
    return numbers.flatten(0, 1), zeros, scales, whole.flatten(0, 1).T.contiguous()


def gptq(weight: Tensor) -> tuple[Weights, Tensor]:
    """Lay a weight out as GPTQ does: eight inputs in a number, zeros less one."""
    numbers, zeros, scales, whole = rounded(weight)
    return {
        "qweight": packed(numbers.T).T.contiguous(),
        "qzeros": packed(zeros - 1),
        "scales": scales.half(),
        "g_idx": (torch.arange(len(numbers)) // GROUP).int(),
    }, whole


def awq(weight: Tensor) -> tuple[Weights, Tensor]:
    """Lay a weight out as AWQ does: eight outputs in a number, the even ones first."""
    numbers, zeros, scales, whole = rounded(weight)
    qweight, qzeros = packed(numbers, AWQ_ORDER), packed(zeros, AWQ_ORDER)
    return {"qweight": qweight, "qzeros": qzeros, "scales": scales.half()}, whole


def int4(weight: Tensor) -> tuple[Weights, Tensor]:
    """Lay a weight out as compressed-tensors does with pack-quantized: numbers from -8 to 7."""
    groups = weight.reshape(len(weight), -1, GROUP)
    scales = 2.0 ** (groups.abs().amax(-1) / 7).log2().ceil()
    numbers = (groups / scales[..., None]).round().clamp(-8, 7)
    shape = torch.tensor(weight.shape)
    words = packed(numbers.flatten(1) + 8)
    whole = (numbers * scales[..., None]).flatten(1)
    return {"weight_packed": words, "weight_scale": scales, "weight_shape": shape}, whole


def float8(weight: Tensor) -> tuple[Weights, Tensor]:
    """Lay a weight out as compressed-tensors does with float-quantized: a scale per output."""
    scales = weight.abs().amax(1, keepdim=True) / 448
    numbers = (weight / scales).to(torch.float8_e4m3fn)
    return {"weight": numbers, "weight_scale": scales}, numbers.float() * scales


def by_hand(
    lay_out: Callable[[Tensor], tuple[Weights, Tensor]], **declared: Any
) -> Callable[[Path], Weights]:
    """Write a checkpoint as its format is published; return the weights that it means."""

    def quantise(folder: Path) -> Weights:
        stored = load_file(folder / "model.safetensors")
        whole = dict(stored)
        for name in [name for name in stored if name.endswith("_proj.weight")]:
            parts, whole[name] = lay_out(stored.pop(name))
            stored |= {name.removesuffix("weight") + part: one for part, one in parts.items()}
        save_file(stored, folder / "model.safetensors", {"format": "pt"})
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps({**config, "quantization_config": declared}))
        return whole

    return quantise


def compressed(form: str, **weights: Any) -> dict[str, Any]:
    """Return what compressed-tensors says in config.json."""
    shared = {"symmetric": True, "dynamic": False}
    group = {"targets": ["Linear"], "format": form, "weights": {**shared, **weights}}
    return {
        "quant_method": "compressed-tensors",
        "format": form,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }


PACKED = {"bits": 4, "group_size": GROUP}
INT4 = compressed("pack-quantized", num_bits=4, type="int", strategy="group", group_size=GROUP)
FLOAT8 = compressed("float-quantized", num_bits=8, type="float", strategy="channel")
CASES: dict[str, tuple[str, Callable[[Path], Weights | None], float]] = {
    "torchao int8": (
        "torchao",
        through("TorchAoConfig", torchao("Int8WeightOnlyConfig")),
        1e-4,
    ),
    "torchao float8": (
        "torchao",
        through("TorchAoConfig", torchao("Float8WeightOnlyConfig")),
        1e-4,
    ),
    "bitsandbytes 4 bits": (
        "bitsandbytes",
        through("BitsAndBytesConfig", load_in_4bit=True, bnb_4bit_quant_type="nf4"),
        1e-4,
    ),
    "bitsandbytes 8 bits": (
        "bitsandbytes",
        through("BitsAndBytesConfig", load_in_8bit=True),
        1e-4,
    ),
    "compressed-tensors float8": ("compressed_tensors", by_hand(float8, **FLOAT8), 1e-4),
    "compressed-tensors int4": ("compressed_tensors", by_hand(int4, **INT4), 1e-4),
    # These kernels are the ones that compile nothing. AWQ's computes in float16.
    "gptq": (
        "gptqmodel",
        by_hand(gptq, quant_method="gptq", desc_act=False, sym=False, backend="torch", **PACKED),
        1e-4,
    ),
    "awq": (
        "gptqmodel",
        by_hand(awq, quant_method="awq", version="gemm", backend="torch_awq", **PACKED),
        5e-3,
    ),
}


@pytest.fixture
def folder(tmp_path: Path, make_tokenizer: Any) -> Path:
    """A Llama of two layers, wide enough for groups of 32 numbers."""
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=None,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(300)
def test_samples_and_scores_are_the_librarys_own(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, quantise, close = CASES[case]
    if find_spec(library) is None:
        pytest.skip(f"pip install {models.LIBRARIES.get(library, library).replace('_', '-')}")
    monkeypatch.setattr(torch, "compile", lambda call, **_: call)  # gptqmodel's; minutes
    whole = quantise(folder)
    own = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found, tokenizer = models.load(str(folder), device="cpu")
    assert models.quantised(found)

    def logits(model: Any, ids: list[int]) -> Tensor:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0].float()

    ids = tokenizer.encode(PROBLEMS[0][0])
    if whole is not None:  # what was written by hand means these weights
        full = AutoModelForCausalLM.from_config(LlamaConfig.from_pretrained(folder)).eval()
        full.load_state_dict(whole)
        reach = {"atol": 20 * close, "rtol": 0.0}
        torch.testing.assert_close(logits(own, ids), logits(full, ids), **reach)

    texts = [prompts.solver(problem, form="plain", tokenizer=tokenizer) for problem, _ in PROBLEMS]
    how = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=12)
    drafts = Sampler(found, tokenizer, form="plain").sample(texts, how, seed=(1,))
    for text, (draft,) in zip(texts, drafts, strict=True):
        row = torch.tensor([tokenizer.encode(text)])
        made = own.generate(row, max_new_tokens=12, do_sample=False, pad_token_id=0)
        assert draft.text == tokenizer.decode(made[0, row.shape[1] :], skip_special_tokens=True)
        assert draft.tokens > 3

    groups = [
        [prompts.evaluator(problem, text, form="plain", tokenizer=tokenizer) for text in candidates]
        for problem, candidates in PROBLEMS
    ]
    scores = Scorer(found, tokenizer, form="plain").evaluate(groups)
    right, wrong = (tokenizer.encode(word)[0] for word in (" correct", " incorrect"))
    for group, ours in zip(groups, scores, strict=True):
        for text, score in zip(group, ours, strict=True):
            last = logits(own, tokenizer.encode(text))[-1].double()
            expected = 1 / (1 + math.exp(last[wrong] - last[right]))
            assert score == pytest.approx(expected, abs=close)
