"""Loading models, and one sentence for each way in which a path is no model."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    Gemma2Config,
    GptOssConfig,
    GptOssForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from mathtune.engines import prompts
from mathtune.engines.transformers import models
from mathtune.errors import InputError


def test_the_embedded_model_loads_in_float32() -> None:
    model, tokenizer = models.load("embedded", device="cpu")
    assert model.dtype == torch.float32
    assert not model.training
    assert models.end_tokens(model, tokenizer) == [tokenizer.eos_token_id]
    assert models.context_length(model) == model.config.max_position_embeddings


def keep_weights(folder: Path, wanted: Callable[[str], bool]) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight.clone() for name, weight in weights.items() if wanted(name)}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def cut(folder: Path, share: float) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.fixture
def folder(tmp_path: Path, make_model, make_tokenizer) -> Path:  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    make_model("llama", len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_loads_as_it_was_saved(folder: Path, make_model) -> None:  # type: ignore[no-untyped-def]
    model, tokenizer = models.load(str(folder), device="cpu")
    assert tokenizer.eos_token == "<|end|>"
    saved = make_model("llama", len(tokenizer)).state_dict()
    assert all(torch.equal(weight, saved[name]) for name, weight in model.state_dict().items())


def test_a_loaded_model_with_capped_scores_caps_them(tmp_path: Path, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    saved = make_model("gemma2", len(tokenizer))
    saved.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model, _ = models.load(str(tmp_path), device="cpu")
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, saved(ids).logits)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "pytorch_model.bin is a pickle, which is never loaded",
        ),
        (
            lambda f: (f / "model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})
            ),
            "model-2.safetensors, which does not exist",
        ),
        (
            lambda f: [path.unlink() for path in f.glob("tokenizer*")],
            "has no tokenizer",
        ),
        (lambda f: (f / "config.json").write_text("{}"), "cannot be loaded"),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"short"),
            "model.safetensors has 5 bytes",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors has 0 bytes"),
        (
            lambda f: cut(f, 0.5),
            r"safetensors has [\d,]+ bytes; expected [\d,]+: it was not copied",
        ),
        (lambda f: cut(f, 0.002), r"model.safetensors is cut off after \d+ bytes"),
        (
            lambda f: (f / "model.safetensors").write_text("<!doctype html><p>404</p>"),
            "model.safetensors is no safetensors file",
        ),
        (lambda f: change_config(f, hidden_act="nope"), r"json: hidden_act 'nope' is unknown"),
        (
            lambda f: change_config(f, rope_scaling={"rope_type": "nope", "factor": 2.0}),
            r"config\.json: rope_scaling\.rope_type 'nope' is unknown to transformers",
        ),
        (lambda f: change_config(f, vocab_size=0), "has vocab_size 0; expected a number above 0"),
        (lambda f: (f / "tokenizer.json").write_text("{"), r"cannot be loaded \(its tokenizer: "),
        (
            lambda f: (f / "model.safetensors.index.json").write_text('{"weight_'),
            "model.safetensors.index.json: not a ShardIndex row",
        ),
        (
            lambda f: keep_weights(f, lambda name: "layers.1.mlp" not in name),
            "3 weights are not in its files, first model.layers.1.mlp.down_proj.weight",
        ),
        (
            lambda f: change_config(f, intermediate_size=40),
            "a weight has another shape than config.json says",
        ),
        (
            lambda f: (f / "model.safetensors").write_text("version https://git-lfs.invalid/v1\n"),
            "model.safetensors is a pointer of Git LFS",
        ),
        (
            lambda f: (f / "tokenizer.json").rename(f / "tekken.json"),
            r"no tokenizer\.json; tekken\.json alone would be read with other token ids; expected",
        ),
        (
            lambda f: (f / "tokenizer.json").rename(f / "tokenizer.model"),
            r"tokenizer\.model belongs to the tokenizer_class .* expected tokenizer\.json, or the",
        ),
        (lambda f: (f / "tokenizer.json").rename(f / "vocab.json"), r"no tokenizer\.json; vocab"),
        (
            lambda f: (f / "tokenizer.json").unlink(),
            r"no tokenizer\.json; expected tokenizer\.json",
        ),
        (lambda f: change_config(f, num_hidden_layers=-1), "has num_hidden_layers -1; expected"),
        (lambda f: change_config(f, num_hidden_layers=10**6), "expected a number from 1 to 1000"),
        (lambda f: change_config(f, n_layer=10**9), "has n_layer 1000000000; expected a number"),
        (lambda f: change_config(f, text_config={"num_hidden_layers": "9"}), "layers '9'; expect"),
        (lambda f: change_config(f, hidden_size="8"), r"\(config\.json: .*'hidden_size'"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json: not a JSON object"),
        (
            lambda f: (f / "generation_config.json").write_text('{"eos'),
            "generation_config.json: not a JSON object",
        ),
        (
            lambda f: (f / "generation_config.json").write_text('{"eos_token_id": [0, "1"]}'),
            "generation_config.json has eos_token_id .* expected a token's id",
        ),
        (lambda f: change_config(f, eos_token_id="<|end|>"), "config.json has eos_token_id"),
    ],
    ids=[
        *("config", "weights", "pickle", "shard", "tokenizer", "empty-config", "torn-weights"),
        *("no-bytes", "half-weights", "torn-head", "web-page", "activation", "rope", "no-words"),
        *("torn-tokenizer", "torn-index", "some-weights", "other-shapes"),
        *("pointer", "tekken", "sentencepiece", "no-merges", "no-tokenizer-json"),
        *("no-layers", "too-many-layers", "layers-of-another-name", "layers-inside"),
        *(
            "text-for-number",
            "list-for-config",
            "torn-generation-config",
            "ends-no-ids",
            "end-no-id",
        ),
    ],
)
def test_an_incomplete_folder_is_refused(folder: Path, spoil, said: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    with pytest.raises(InputError, match=said) as error:
        models.load(str(folder), device="cpu")
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_return_sequences": 5},
        {"max_new_tokens": -1},
        {"cache_implementation": "of nobody"},
        {"watermarking_config": {"nothing": 1}},
        {"compile_config": {"mode": "reduce-overhead"}},
    ],
    ids=str,
)
def test_generation_settings_that_are_never_read_refuse_no_model(
    settings: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "generation_config.json"
    tokens = {"bos_token_id": 3, "eos_token_id": [1, 4], "pad_token_id": 2}
    file.write_text(json.dumps({**settings, **tokens}))
    model, _ = models.load(str(folder), device="cpu")
    assert model.generation_config is not None
    assert tokens.items() <= model.generation_config.to_diff_dict().items()
    assert not settings.keys() & model.generation_config.to_diff_dict().keys()
    assert f"{file}: only its special tokens are used" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_a_model_that_does_not_write_from_left_to_right_is_refused(kind: str, folder: Path) -> None:
    small: dict[str, Any] = {"vocab_size": 400}
    if kind == "bert":
        config = BertConfig(
            num_hidden_layers=1, hidden_size=8, num_attention_heads=2, intermediate_size=8, **small
        )
        BertForMaskedLM(config).save_pretrained(folder)
        said = r"reads in both directions \(BertLMHeadModel\)"
    else:
        T5ForConditionalGeneration(
            T5Config(d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2, **small)
        ).save_pretrained(folder)
        said = "no causal language model"
    with pytest.raises(InputError, match=said):
        models.load(str(folder), device="cpu")


def test_the_librarys_warnings_show_no_control_sequences(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {**weights, "evil\x1b[2J": torch.ones(1)}, folder / "model.safetensors", {"format": "pt"}
    )
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("transformers").addHandler(handler)
    try:
        models.load(str(folder), device="cpu")
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert "evil\ufffd[2J" in said.getvalue()
    assert "\x1b" not in said.getvalue()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./no/such/folder", "no such file or folder"),
        ("missing.gguf", "no such file or folder"),
        (__file__, "a file of another kind"),
    ],
)
def test_a_path_that_is_no_model_is_refused(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        models.load(name)


def test_a_tokenizer_without_an_end_token_is_refused(make_model, make_tokenizer) -> None:  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer))
    tokenizer.eos_token = None
    model.generation_config.eos_token_id = None
    with pytest.raises(InputError, match="no end token, so no sample could end"):
        models.end_tokens(model, tokenizer)
    with pytest.raises(InputError, match="no end token, so a solution has no end"):
        prompts.end_token(tokenizer)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="unknown"):
        models.resolve_device("toaster")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="not available"):
            models.resolve_device("cuda")


@pytest.mark.parametrize("part", ["config", "tokenizer"])
def test_a_models_own_code_is_not_run_whatever_is_typed(
    part: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = folder / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    if part == "config":
        own: Any = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
        change_config(folder, model_type="nobody_knows", auto_map=own)
    else:
        file = folder / "tokenizer_config.json"
        named = {"AutoTokenizer": ["own.Tokenizer", None]}
        changed = {**json.loads(file.read_bytes()), "auto_map": named, "tokenizer_class": "OwnOne"}
        file.write_text(json.dumps(changed))
    with pytest.raises(InputError, match="needs code of its own, which is never run"):
        models.load(str(folder), device="cpu")
    assert not ran.exists()


@pytest.mark.parametrize(
    "quantised",
    [
        {"quant_method": "gptq", "bits": 4, "group_size": 32},
        {"quant_method": "awq", "bits": 4, "group_size": 32},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"quant_method": "of nobody"},
    ],
    ids=lambda quantised: quantised["quant_method"],
)
def test_a_quantised_checkpoint_without_its_library_is_refused_in_a_sentence(
    quantised: Any, folder: Path
) -> None:
    change_config(folder, quantization_config=quantised)
    expected = r"the same model in full weights or as a \.gguf file\.$"
    with pytest.raises(InputError, match=expected) as error:
        models.load(str(folder), device="cpu")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 800
    known = models.LIBRARIES.get(quantised["quant_method"])
    assert known is None or f"reads them (pip install {known}), or" in str(error.value)


def test_bits_of_weights_that_are_quantised_already_are_refused(folder: Path) -> None:
    change_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(
        InputError, match=r"lora\.bits: found 8 .* quantised already; expected lora"
    ):
        models.load(str(folder), device="cpu", bits=8)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_kernel_that_a_config_asks_for_is_not_needed(
    key: str, folder: Path, make_model: Any
) -> None:
    change_config(folder, **{key: "flash_attention_2"})
    model, tokenizer = models.load(str(folder), device="cpu")
    ids = torch.tensor([tokenizer.encode("5 + 7 = 12")])
    with torch.no_grad():
        own = make_model("llama", len(tokenizer))(ids).logits
        torch.testing.assert_close(model(ids).logits, own, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn], ids=str)
def test_weights_in_few_bits_that_the_config_does_not_declare_are_refused(
    kind: torch.dtype, folder: Path
) -> None:
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({**weights, name: weights[name].to(kind)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=f"{name} is stored as .* has no quantization_config"):
        models.load(str(folder), device="cpu")


def test_weights_of_several_full_types_are_cast(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kinds = [torch.float16, torch.float64, torch.bfloat16, torch.float32]
    mixed = {name: one.to(kinds[at % 4]) for at, (name, one) in enumerate(sorted(weights.items()))}
    save_file(mixed, folder / "model.safetensors", {"format": "pt"})
    model, _ = models.load(str(folder), device="cpu")
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, mixed[name].float())


def test_fp8_checkpoints_become_float32(folder: Path) -> None:
    """Blocks of 16 x 16 numbers of 8 bits, each block with its scale."""
    weights = load_file(folder / "model.safetensors")
    expected = dict(weights)
    for name in [name for name in weights if name.endswith("_proj.weight")]:
        few = (weights[name] * 64).to(torch.float8_e4m3fn)
        tall, wide = (-(-size // 16) for size in few.shape)
        scale = torch.arange(1, tall * wide + 1).reshape(tall, wide) / 64
        each = scale.repeat_interleave(16, 0).repeat_interleave(16, 1)
        expected[name] = few.float() * each[: few.shape[0], : few.shape[1]]
        weights |= {name: few, f"{name}_scale_inv": scale}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    fp8 = {"quant_method": "fp8", "weight_block_size": [16, 16], "activation_scheme": "dynamic"}
    change_config(folder, quantization_config=fp8)
    model, _ = models.load(str(folder), device="cpu")
    assert not models.quantised(model)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=0)


def test_a_gguf_that_lacks_a_scale_is_refused() -> None:
    with pytest.raises(InputError, match="does not hold the scale of its attention"):
        models.refuse_other_scale("x.gguf", Gemma2Config(num_hidden_layers=46))
    models.refuse_other_scale("x.gguf", Gemma2Config(num_hidden_layers=42))


MXFP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6]


def test_mxfp4_checkpoints_become_float32(tmp_path: Path, make_tokenizer) -> None:  # type: ignore[no-untyped-def]
    """gpt-oss: pairs of 4 bits in a byte, the first below, and an exponent for each 32 of them."""
    tokenizer = make_tokenizer()
    config = GptOssConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        num_local_experts=2,
        num_experts_per_tok=1,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    GptOssForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    weights, expected = load_file(tmp_path / "model.safetensors"), {}
    for name in [name for name in weights if name.endswith(("gate_up_proj", "down_proj"))]:
        experts, size, wide = weights.pop(name).shape
        pairs = torch.randint(0, 256, (experts, wide, size // 32, 16), dtype=torch.uint8)
        powers = torch.randint(120, 130, (experts, wide, size // 32), dtype=torch.uint8)
        weights |= {f"{name}_blocks": pairs, f"{name}_scales": powers}
        four = torch.stack([pairs & 15, pairs >> 4], -1).long().flatten(3)
        values = torch.tensor(MXFP4 + [-value for value in MXFP4])[four]
        values = values * 2.0 ** (powers.float() - 127)[..., None]
        expected[name] = values.flatten(2).transpose(1, 2)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    change_config(tmp_path, quantization_config={"quant_method": "mxfp4"})
    model, _ = models.load(str(tmp_path), device="cpu")
    assert len(expected) == 2
    found = model.state_dict()
    assert {weight.dtype for weight in found.values()} == {torch.float32}
    for name, values in expected.items():
        assert torch.equal(found[name], values)
