"""Models whose attention cannot be shared are sampled and scored all the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from mathtune.engines.protocol import Sampling, share
from mathtune.engines.transformers.decode import Sampler
from mathtune.engines.transformers.one_by_one import OneByOne
from mathtune.engines.transformers.scoring import Scorer

TEXTS = ["What is 12 + 30?", "Tom has 5 apples and buys 7 more.", "5 + 7 ="]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}
SMALL_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "rotary_dim": 4}
LINEAR = {
    "head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
    "num_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "falcon": {**SHAPE, "new_decoder_architecture": True, "num_kv_heads": 2},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3},
    "gptj": {**SMALL_GPT, "initializer_range": 0.3},
    "stablelm": SHAPE,
    "nemotron": {**SHAPE, "head_dim": 8},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.3},
    "lfm2": {**SHAPE, "layer_types": ["conv", "full_attention"]},
    "qwen3_next": {**SHAPE, **LINEAR},
    "gpt_oss": {**SHAPE, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1},
    "llama4_text": {**SHAPE, "head_dim": 8, "num_local_experts": 2},
}


def made(family: str, vocabulary: int) -> Any:
    torch.manual_seed(0)
    tokens = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}
    config = AutoConfig.for_model(family, vocab_size=vocabulary, **tokens, **FAMILIES[family])
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_samples_are_those_of_generate_and_scores_those_of_the_model(
    family: str, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer()
    model = made(family, len(tokenizer))
    model.generation_config = GenerationConfig(eos_token_id=0, pad_token_id=0)
    expected = []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt")
        tokens = model.generate(**ids, max_new_tokens=8, do_sample=False)
        expected.append(tokenizer.decode(tokens[0, ids["input_ids"].shape[1] :], True))
    sampler = Sampler(model, tokenizer, form="plain")
    how = Sampling(n=1, temperature=0, top_p=1, max_tokens=8)
    drafts = [one.text for (one,) in sampler.sample(TEXTS, how, seed=(0,))]
    assert drafts == expected
    texts = ["5 + 7 = 12 is", "5 + 7 = 13 is"]
    (found,) = Scorer(model, tokenizer, form="plain", forward=sampler.forward).evaluate([texts])
    right, wrong = (tokenizer.encode(word)[0] for word in (" correct", " incorrect"))
    for text, score in zip(texts, found, strict=True):
        with torch.no_grad():
            last = model(torch.tensor([tokenizer.encode(text)])).logits[0, -1].log_softmax(-1)
        assert score == pytest.approx(share(float(last[right]), float(last[wrong])), abs=1e-5)


@pytest.mark.parametrize("stop", [None, "7"])
@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_samples_are_those_of_the_shared_loop(
    stop: str | None, top_p: float, make_model: Any, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer), context=20)
    how = Sampling(n=5, temperature=0.8, top_p=top_p, max_tokens=9, stop=stop)
    texts = [*TEXTS, TEXTS[0] * 4]  # the last one does not fit the context
    shared = Sampler(model, tokenizer, form="plain").sample(texts, how, seed=(3, 1))
    alone = Sampler(model, tokenizer, form="plain", forward=OneByOne(model))
    assert alone.sample(texts, how, seed=(3, 1)) == shared
    assert shared[-1][0].finish_reason == "prompt_too_long"


def test_what_the_models_own_config_says_of_drawing_is_not_read(
    make_model: Any, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer))
    how = Sampling(n=8, temperature=1.5, top_p=1, max_tokens=9)
    forward = OneByOne(model)
    plain = Sampler(model, tokenizer, form="plain", forward=forward).sample(TEXTS, how, seed=(0,))
    ends = model.generation_config.eos_token_id
    model.generation_config = GenerationConfig(
        top_k=1, temperature=0.1, do_sample=True, repetition_penalty=3.0, eos_token_id=ends
    )
    found = Sampler(model, tokenizer, form="plain", forward=forward).sample(TEXTS, how, seed=(0,))
    assert found == plain
