"""GGUF files of tiny models, laid out as llama.cpp's converter does: equal logits, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MambaConfig,
    MiniMaxM2Config,
    NemotronConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2MoeConfig,
    Qwen3_5TextConfig,
    Qwen3Config,
    Qwen3MoeConfig,
    StableLmConfig,
    Starcoder2Config,
)

from mathtune.engines.transformers import models
from mathtune.errors import InputError

gguf = pytest.importorskip("gguf")

VOCABULARY, PADDED = 400, 32_001  # Phi-3's config wants its padding token
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 16_384,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}
PLAIN = {"rope_type": "default", "rope_theta": 1e4}
PARTIAL = {"rope_type": "default", "rope_theta": 5e5, "partial_rotary_factor": 0.5}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1e4,
    "factor": 4.0,
    "original_max_position_embeddings": 4096,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
SHORT, LONG = [1.0, 1.1, 1.2, 1.3], [1.0, 2.0, 3.0, 4.0]
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": SHORT,
    "long_factor": LONG,
    "original_max_position_embeddings": 40,
    "attention_factor": 1.25,
}
SCALED = {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
YARN_KEYS = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4.0,
    "rope.scaling.original_context_length": 4096,
}
# Wavelengths 2 pi 5e5^(i / 4): 6.3, 167, 4443, 118141. 2048 to 8192 is smooth.
SMOOTH = (8192 / (2 * np.pi * 5e5**0.5) - 1) / 3
LLAMA3_FACTORS = [1.0, 1.0, 1 / ((1 - SMOOTH) / 8 + SMOOTH), 8.0]
LONG_TENSORS = {"rope_factors_short.weight": SHORT, "rope_factors_long.weight": LONG}
LONG_KEYS = {"rope.scaling.original_context_length": 40, "rope.scaling.attn_factor": 1.25}


def made(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for name, weight in model.state_dict().items():
        if name.endswith("bias") or "norm" in name:  # zeros and ones would hide a mistake
            weight += 0.1 * torch.randn_like(weight)
    return model


def write(
    path: Path,
    model: PreTrainedModel,
    kind: str,
    keys: dict[str, Any] | None = None,
    tensors: dict[str, Any] | None = None,
    *,
    named: bool = True,
    ends: tuple[str, ...] = ("eos_token_id",),
    packed: dict[str, Any] | None = None,
) -> None:
    """Write a model; `keys` and `tensors` beside those that every model has. `named`: its own
    weights have names that gguf knows; else all are in `tensors`. `ends`: the keys of tokens 0, 1.
    `packed`: tensors in few bits and their types, instead of those in full.
    """
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)
    size = getattr(config, "head_dim", None) or 8
    writer = gguf.GGUFWriter(str(path), kind)
    said = {
        "context_length": getattr(config, "max_position_embeddings", 2048),
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": getattr(config, "intermediate_size", 4 * config.hidden_size),
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": getattr(config, "num_key_value_heads", 4),
        "attention.key_length": size,
        "attention.value_length": size,
        "attention.layer_norm_rms_epsilon": getattr(config, "rms_norm_eps", None),
        "attention.layer_norm_epsilon": getattr(config, "layer_norm_eps", None),
        "rope.dimension_count": int(size * rope.get("partial_rotary_factor", 1)),
        "rope.freq_base": rope.get("rope_theta"),
        "vocab_size": config.vocab_size,
    } | (keys or {})
    adds = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
    adds |= {bool: writer.add_bool, list: writer.add_array}
    for key, value in said.items():
        if value is not None:
            adds[type(value)](f"{kind}.{key}", value)
    tokens = [chr(code) for code in range(0x100, 0x100 + config.vocab_size - 2)]
    tokens += [tokens[0] + tokens[1]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["<|end|>", *tokens])
    writer.add_token_types([3] + [1] * len(tokens))
    writer.add_token_merges([" ".join(tokens[:2])])
    for number, end in enumerate(ends):
        writer.add_uint32(f"tokenizer.ggml.{end}", number)
    numbers = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(numbers[kind], config.num_hidden_layers)
    for name, weight in model.state_dict().items() if named else ():
        if name != "lm_head.weight" or not config.tie_word_embeddings:
            for part, values in turned(name, weight.numpy(), config, kind):
                place, _, end = part.removeprefix("transformer.").rpartition(".")
                called = f"{names.get_name(place) or place}.{end}"
                bits, of = (packed or {}).get(called, (np.ascontiguousarray(values), None))
                writer.add_tensor(called, bits, raw_dtype=of)
    for name, extra in (tensors or {}).items():
        writer.add_tensor(name, np.array(extra, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def turned(name: str, values: Any, config: Any, kind: str) -> list[tuple[str, Any]]:
    """Lay weights out as llama.cpp does: Llama's pairs of dimensions, Gemma's norms plus one,
    Bloom's queries, keys and values of all heads together, experts' two halves apart.
    """
    if kind == "llama" and (".q_proj" in name or ".k_proj" in name):
        heads = config.num_attention_heads if ".q_" in name else config.num_key_value_heads
        halves = values.reshape(heads, 2, -1, *values.shape[1:])
        return [(name, halves.swapaxes(1, 2).reshape(values.shape))]
    if kind == "gpt2" and name.endswith((".c_attn.weight", ".c_fc.weight", ".c_proj.weight")):
        return [(name, values.T)]
    if "conv.conv" in name or "conv1d.weight" in name:
        return [(name, values[:, 0])]
    if name.endswith(".A_log"):
        return [
            (
                name.replace("backbone.layers", "blk").replace("mixer.A_log", "ssm_a"),
                -np.exp(values),
            )
        ]
    if name.endswith("mixer.D"):
        return [(name.replace("backbone.layers", "blk").replace("mixer.D", "ssm_d"), values)]
    if "query_key_value" in name and kind == "bloom":
        heads = values.reshape(config.num_attention_heads, 3, -1, *values.shape[1:])
        return [(name, heads.swapaxes(0, 1).reshape(values.shape))]
    if name.endswith("experts.gate_up_proj"):
        halves = np.split(values, 2, axis=1)
        return [
            (name.replace("gate_up_proj", part), half)
            for part, half in zip(("gate_proj.weight", "up_proj.weight"), halves, strict=True)
        ]
    if name.endswith("experts.down_proj"):
        return [(f"{name}.weight", values)]
    if name.endswith("e_score_correction_bias"):
        return [(name.replace("e_score_correction_bias", "e_score_correction.bias"), values)]
    plus = kind.startswith("gemma") or (kind == "nemotron" and name.endswith("weight"))
    return [(name, values + 1 if plus and "norm" in name else values)]


HEADS = tuple(
    f"attention.{one}" for one in ("head_count", "head_count_kv", "key_length", "value_length")
)
EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
EXPERT_KEYS = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 24}


CASES: dict[str, tuple[PreTrainedConfig, str, dict[str, Any], dict[str, Any]]] = {
    "heads of 16": (LlamaConfig(**SHAPE, head_dim=16), "llama", {}, {}),
    "Qwen3's heads of 16": (Qwen3Config(**SHAPE, head_dim=16), "qwen3", {}, {}),
    "biases": (LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True), "llama", {}, {}),
    "linear": (LlamaConfig(**SHAPE, rope_parameters=LINEAR), "llama", SCALED, {}),
    "yarn": (Qwen3Config(**SHAPE, head_dim=8, rope_parameters=YARN), "qwen3", YARN_KEYS, {}),
    "Llama 3": (
        LlamaConfig(**SHAPE, rope_parameters=LLAMA3),
        "llama",
        {},
        {"rope_freqs.weight": LLAMA3_FACTORS},
    ),
    "longrope": (
        Phi3Config(**{**SHAPE, "vocab_size": PADDED}, rope_parameters=LONGROPE),
        "phi3",
        LONG_KEYS,
        LONG_TENSORS,
    ),
    "window": (
        Phi3Config(**{**SHAPE, "vocab_size": PADDED}, sliding_window=8),
        "phi3",
        {"attention.sliding_window": 8},
        {},
    ),
    "base and part": (
        StableLmConfig(**SHAPE, rope_parameters=PARTIAL),
        "stablelm",
        {},
        {},
    ),
    "caps": (
        Gemma2Config(**SHAPE, head_dim=8, attn_logit_softcapping=3.0, final_logit_softcapping=10.0),
        "gemma2",
        {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 10.0},
        {},
    ),
    "Gemma 3": (
        Gemma3TextConfig(
            **{**SHAPE, "num_hidden_layers": 6},
            head_dim=8,
            sliding_window=8,
            rope_parameters={
                "full_attention": {**LINEAR, "rope_theta": 1e6},
                "sliding_attention": PLAIN,
            },
        ),
        "gemma3",
        {"attention.sliding_window": 8, **SCALED},
        {},
    ),
    "Gemma 3, its windows said": (
        Gemma3TextConfig(**{**SHAPE, "num_hidden_layers": 6}, head_dim=8, sliding_window=8),
        "gemma3",
        {
            "attention.sliding_window": 8,
            "attention.sliding_window_pattern": [True, True, True, True, True, False],
            "rope.freq_base_swa": 1e4,
            "attention.causal": True,
        },
        {},
    ),
    "Bloom": (
        BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, eos_token_id=0),
        "bloom",
        {"attention.layer_norm_epsilon": 1e-5},
        {},
    ),
    "Falcon": (
        FalconConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            layer_norm_epsilon=0.1,
            eos_token_id=0,
        ),
        "falcon",
        {
            "attention.layer_norm_epsilon": 0.1,
            "attention.head_count_kv": 1,
            "attention.key_length": None,
            "attention.value_length": None,
        },
        {},
    ),
    "GPT-2": (
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=32,
            n_layer=2,
            n_head=4,
            bos_token_id=None,
            eos_token_id=0,
        ),
        "gpt2",
        {
            "attention.layer_norm_epsilon": 1e-5,
            **dict.fromkeys(("attention.head_count_kv", "rope.dimension_count")),
        },
        {},
    ),
    "layers of convolutions": (
        Lfm2Config(
            **{**SHAPE, "num_hidden_layers": 3},
            layer_types=["conv", "full_attention", "conv"],
            block_auto_adjust_ff_dim=False,
        ),
        "lfm2",
        {
            "attention.head_count_kv": [0, 2, 0],
            "attention.layer_norm_rms_epsilon": 1e-5,
            "rope.freq_base": 1e6,
            "shortconv.l_cache": 3,
        },
        {},
    ),
    "Mamba": (
        MambaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=2,
            state_size=8,
            num_attention_heads=4,
            bos_token_id=None,
            eos_token_id=0,
        ),
        "mamba",
        {
            "ssm.conv_kernel": 4,
            "ssm.state_size": 8,
            "ssm.time_step_rank": 2,
            "ssm.inner_size": 64,
            "attention.layer_norm_rms_epsilon": 1e-5,
            **dict.fromkeys((*HEADS, "rope.dimension_count")),
        },
        {},
    ),
    "Nemotron": (
        NemotronConfig(
            **SHAPE, head_dim=8, rope_parameters={**PLAIN, "partial_rotary_factor": 0.5}
        ),
        "nemotron",
        {"attention.layer_norm_rms_epsilon": 1e-5},
        {},
    ),
    "StarCoder 2": (
        Starcoder2Config(**SHAPE, tie_word_embeddings=True),
        "starcoder2",
        {"attention.layer_norm_epsilon": 1e-5},
        {},
    ),
    "experts whose weights are normed": (
        Qwen3MoeConfig(**SHAPE, **EXPERTS, num_experts=4, head_dim=8, norm_topk_prob=True),
        "qwen3moe",
        EXPERT_KEYS,
        {},
    ),
    "experts whose weights are not": (
        Qwen3MoeConfig(**SHAPE, **EXPERTS, num_experts=4, head_dim=8, norm_topk_prob=False),
        "qwen3moe",
        {**EXPERT_KEYS, "expert_weights_norm": False},
        {},
    ),
    "a shared expert": (
        Qwen2MoeConfig(**SHAPE, **EXPERTS, num_experts=4, shared_expert_intermediate_size=16),
        "qwen2moe",
        {**EXPERT_KEYS, "expert_shared_feed_forward_length": 16},
        {},
    ),
    "a bias of experts": (
        MiniMaxM2Config(
            **SHAPE, head_dim=16, rotary_dim=8, num_local_experts=4, num_experts_per_tok=2
        ),
        "minimax-m2",
        {
            **EXPERT_KEYS,
            "expert_feed_forward_length": 48,
            "expert_gating_func": 2,
            "rope.dimension_count": 8,
        },
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_loads_with_all_that_it_says(case: str, tmp_path: Path) -> None:
    config, kind, keys, tensors = CASES[case]
    model = made(config)
    write(tmp_path / "tiny.gguf", model, kind, keys, tensors)
    found, _ = models.load(str(tmp_path / "tiny.gguf"), device="cpu")
    assert not models.quantised(found)
    for length in (30, 60):  # on both sides of longrope's border
        ids = torch.arange(3, 3 + 5 * length, 5)[None] % VOCABULARY
        with torch.no_grad():
            torch.testing.assert_close(found(ids).logits, model(ids).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("keys", "tensors", "said"),
    [
        ({"logit_scale": 0.5}, {}, r"says logit_scale 0\.5, which transformers does not read"),
        ({"attention.value_length": 4}, {}, "says attention.value_length 4"),
        ({"attention.sliding_window": 8}, {}, "says attention.sliding_window 8"),
        ({"rope.scaling.type": "su", "rope.scaling.factor": 2.0}, {}, "rope.scaling.type su"),
        (YARN_KEYS | {"rope.scaling.yarn_log_multiplier": 0.1}, {}, "yarn_log_multiplier 0.1"),
        ({}, {"rope_freqs.weight": [1.0, 2.0, 3.0, 4.0]}, "other factors than Llama 3's"),
        (
            {},
            {"blk.0.ffn_gate_inp.weight": [[1.0] * 32] * 4},
            "holds the tensor blk.0.ffn_gate_inp",
        ),
        ({"attention.causal": False}, {}, "says attention.causal False"),
        ({"expert_count": 4}, {}, "says expert_count 4"),
        ({"attention.sliding_window_pattern": 6}, {}, "says attention.sliding_window_pattern"),
        ({"vision.block_count": 27}, {}, "says vision.block_count 27"),
        (
            {"feed_forward_length": 40},
            {},
            r"sizes \(40, 32\) of model.layers.0.mlp.* holds \(48, 32\)",
        ),
    ],
    ids=[
        *("scale", "values", "window", "su", "yarn", "frequencies", "tensor", "ahead", "experts"),
        *("pattern", "pictures", "sizes"),
    ],
)
def test_what_the_reader_would_leave_out_is_refused(
    keys: dict[str, Any], tensors: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write(tmp_path / "tiny.gguf", made(LlamaConfig(**SHAPE)), "llama", keys, tensors)
    with pytest.raises(InputError, match=said) as error:
        models.load(str(tmp_path / "tiny.gguf"), device="cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_1", "Q4_0"])
def test_weights_in_few_bits_are_read_in_full(kind: str, tmp_path: Path) -> None:
    number, model = gguf.GGMLQuantizationType[kind], made(LlamaConfig(**SHAPE))
    values = model.model.embed_tokens.weight.detach().numpy()
    packed = gguf.quantize(values, number)
    write(tmp_path / "tiny.gguf", model, "llama", packed={"token_embd.weight": (packed, number)})
    found, _ = models.load(str(tmp_path / "tiny.gguf"), device="cpu")
    assert found.name_or_path == str(tmp_path / "tiny.gguf")
    expected = torch.from_numpy(gguf.dequantize(packed, number))
    torch.testing.assert_close(found.model.embed_tokens.weight.data, expected, atol=0, rtol=0)
    assert 0 < (expected - torch.from_numpy(values)).abs().max() < 0.2


def test_a_file_of_the_same_name_in_the_working_directory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named").mkdir()
    model = made(LlamaConfig(**SHAPE))
    write(tmp_path / "named" / "tiny.gguf", model, "llama")
    model.model.norm.weight.data += 1
    write(tmp_path / "tiny.gguf", model, "llama")
    monkeypatch.chdir(tmp_path)
    found, _ = models.load("named/tiny.gguf", device="cpu")
    torch.testing.assert_close(found.model.norm.weight + 1, model.model.norm.weight)


def test_a_solution_ends_with_the_files_tokens_and_no_others(tmp_path: Path) -> None:
    path, model = tmp_path / "tiny.gguf", made(LlamaConfig(**SHAPE))
    write(path, model, "llama", ends=("eos_token_id", "eot_token_id"))
    assert models.end_tokens(*models.load(str(path), device="cpu")) == [0, 1]
    write(path, model, "llama", ends=())
    with pytest.raises(InputError, match="its tokenizer has no end token"):
        models.end_tokens(*models.load(str(path), device="cpu"))


def test_a_file_without_a_weight_is_refused(tmp_path: Path) -> None:
    model = made(LlamaConfig(**SHAPE))
    del model.model.layers[0].mlp.up_proj
    write(tmp_path / "tiny.gguf", model, "llama")
    with pytest.raises(InputError, match=r"no tensor for model\.layers\.0\.mlp\.up_proj"):
        models.load(str(tmp_path / "tiny.gguf"), device="cpu")


@pytest.mark.parametrize("kind", ["gpt-oss", "gemma4", "deci", "mistral3", "t5"])
def test_an_architecture_that_was_never_compared_is_refused(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "tiny.gguf", made(LlamaConfig(**SHAPE)), kind)
    with pytest.raises(InputError, match=f"says general.architecture {kind}, which") as error:
        models.load(str(tmp_path / "tiny.gguf"), device="cpu")
    assert "\n" not in str(error.value)


def tiled(values: Any, size: int, start: int = 0) -> Any:
    """Lay value heads out as llama.cpp does: the first of both key heads, then the second ones."""
    heads = values[start:].reshape(2, 2, size, *values.shape[1:])
    rows = heads.swapaxes(0, 1).reshape(values[start:].shape)
    return np.concatenate([values[:start], rows])


def qwen35(name: str, values: Any) -> tuple[str, Any]:
    """Return the name and the layout of a weight of Qwen 3.5 in a file."""
    if name.endswith(("layernorm.weight", "_norm.weight", "model.norm.weight")):
        values = values + 1
    elif "in_proj_qkv" in name:
        values = tiled(values, 8, 32)
    elif "conv1d" in name:
        values = tiled(values[:, 0], 8, 32)
    elif "in_proj_z" in name:
        values = tiled(values, 8)
    elif "out_proj" in name:
        values = tiled(values.T, 8).T
    elif "A_log" in name:
        values = tiled(-np.exp(values), 1)
    elif name.endswith(("in_proj_a.weight", "in_proj_b.weight", "dt_bias")):
        values = tiled(values, 1)
    for ours, theirs in QWEN35.items():
        name = name.replace(ours, theirs)
    return name, values


QWEN35 = {
    "model.layers.": "blk.",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    **{f"self_attn.{one}_proj": f"attn_{one}" for one in "qkv"},
    **{f"mlp.{one}_proj": f"ffn_{one}" for one in ("gate", "up", "down")},
    "post_attention_layernorm": "post_attention_norm",
    "input_layernorm": "attn_norm",
    "linear_attn.in_proj_qkv": "attn_qkv",
    "linear_attn.in_proj_z": "attn_gate",
    "linear_attn.in_proj_a": "ssm_alpha",
    "linear_attn.in_proj_b": "ssm_beta",
    "linear_attn.conv1d": "ssm_conv1d",
    "linear_attn.norm": "ssm_norm",
    "linear_attn.out_proj": "ssm_out",
    "linear_attn.A_log": "ssm_a",
    "linear_attn.dt_bias": "ssm_dt.bias",
}


@pytest.mark.parametrize("case", ["plain", "yarn", "more", "less"])
def test_qwen_3_5_is_read_whole(case: str, tmp_path: Path) -> None:
    rope = (YARN if case == "yarn" else PLAIN) | {
        "mrope_section": [1, 1, 1],
        "mrope_interleaved": True,
        "partial_rotary_factor": 0.25,
    }
    shape = SHAPE | {"num_hidden_layers": 2, "head_dim": 16, "rope_parameters": rope}
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8}
    kinds = ["linear_attention", "full_attention"]
    config = Qwen3_5TextConfig(
        **shape, **linear, linear_value_head_dim=8, full_attention_interval=2, layer_types=kinds
    )
    model = made(config)
    tensors = dict(qwen35(name, weight.numpy()) for name, weight in model.state_dict().items())
    if case == "more":
        tensors["blk.0.strange.weight"] = np.ones((4, 4))
    if case == "less":
        del tensors["blk.1.attn_v.weight"]
    keys = {
        "full_attention_interval": 2,
        "ssm.conv_kernel": 4,
        "ssm.state_size": 8,
        "ssm.group_count": 2,
        "ssm.time_step_rank": 4,
        "ssm.inner_size": 32,
        "rope.dimension_sections": [1, 1, 1, 0],
        **(YARN_KEYS if case == "yarn" else {}),
    }
    path = tmp_path / "tiny.gguf"
    write(path, model, "qwen35", keys, tensors, named=False)
    if case in ("more", "less"):
        said = "holds the tensor .*strange" if case == "more" else "no tensor for .*v_proj"
        with pytest.raises(InputError, match=said):
            models.load(str(path), device="cpu")
        return
    found, _ = models.load(str(path), device="cpu")
    ids = torch.arange(3, 153, 5)[None]
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, model(ids).logits, atol=1e-4, rtol=1e-4)
