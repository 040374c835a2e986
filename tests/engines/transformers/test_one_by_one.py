"""Models whose attention cannot be shared are sampled and scored all the same."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from mathtune.engines.protocol import Sampling, share
from mathtune.engines.transformers import models
from mathtune.engines.transformers.decode import Sampler
from mathtune.engines.transformers.one_by_one import OneByOne
from mathtune.engines.transformers.scoring import Scorer
from mathtune.errors import InputError
from mathtune.run import progress

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
    "phimoe": {**SHAPE, "num_local_experts": 2, "sliding_window": 6},  # only in its masks
    "roberta": {**SHAPE, "is_decoder": True, "pad_token_id": 1},  # it counts from 2
}


def made(family: str, vocabulary: int) -> Any:
    torch.manual_seed(0)
    tokens = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": None}
    config = AutoConfig.for_model(family, vocab_size=vocabulary, **{**tokens, **FAMILIES[family]})
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


LONG = {"short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0]}
LONG_ROPES: dict[str, dict[str, Any]] = {
    "phi3": {  # as its config.json says it
        "rope_scaling": {"type": "longrope", **LONG},
        "original_max_position_embeddings": 40,
    },
    "llama": {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 100.0,
            "original_max_position_embeddings": 40,
            **LONG,
        }
    },
}


@pytest.mark.parametrize("family", LONG_ROPES)
def test_frequencies_that_depend_on_a_rows_length_are_that_rows_own(
    family: str,
    make_tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With longrope, a long row must not change the short ones beside it."""
    monkeypatch.setattr(progress, "_said", set())
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    tokens = {"vocab_size": len(tokenizer), "bos_token_id": None, "pad_token_id": None}
    config = {**SHAPE, **LONG_ROPES[family], **tokens, "eos_token_id": 0}
    make = AutoModelForCausalLM.from_config
    model = make(AutoConfig.for_model(family, **config)).eval()
    assert models.steady_length(model) == 40
    model.generation_config = GenerationConfig(eos_token_id=0, pad_token_id=0)
    texts = [*TEXTS, TEXTS[1] * 5]
    encoded = [tokenizer.encode(text) for text in texts]
    assert [len(ids) > 40 for ids in encoded] == [False, False, False, True]
    for most in (6, 60):  # the short prompts' samples stay short, or do not
        expected = []
        for ids in encoded:
            row = torch.tensor([ids])
            found = model.generate(row, max_new_tokens=most, do_sample=False)[0, len(ids) :]
            expected.append(tokenizer.decode(found, True))
        sampler = Sampler(copy.deepcopy(model), tokenizer, form="plain")
        how = Sampling(n=1, temperature=0, top_p=1, max_tokens=most)
        parts = [texts] if most == 60 else [texts[:3], texts[3:], texts]
        found = [one.text for part in parts for (one,) in sampler.sample(part, how, seed=(0,))]
        assert found == (expected if most == 60 else expected * 2)
    candidates = [[text, f"{text} is 7 more. {text}"] for text in texts]
    scorer = Scorer(copy.deepcopy(model), tokenizer, form="plain")
    found_scores = scorer.log_likelihoods(texts, candidates)
    for ids, own, scores in zip(encoded, candidates, found_scores, strict=True):
        for text, score in zip(own, scores, strict=True):
            target = [*tokenizer.encode(text), 0]
            with torch.no_grad():
                read = model(torch.tensor([[*ids, *target][:-1]])).logits[0, len(ids) - 1 :]
            log_p = read.log_softmax(-1)[range(len(target)), target].sum()
            assert score == pytest.approx(float(log_p), abs=1e-3)
    said = capsys.readouterr().err
    for what in ("prompts are sampled", "long candidates are scored"):
        assert said.count(f"{what} one by one, which is slower: past 40 tokens") == 1


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


@pytest.mark.parametrize("alone", [False, True])
def test_thoughts_and_the_answer_have_budgets_of_their_own(
    alone: bool, make_model: Any, make_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = make_tokenizer(special=("<|end|>", "</think>"))
    close = tokenizer.convert_tokens_to_ids("</think>")
    model = make_model("llama", len(tokenizer), context=64)
    model.generation_config.eos_token_id = 0
    more: Any = {"forward": OneByOne(model)} if alone else {}
    sampler = Sampler(model, tokenizer, form="plain", **more)
    kept: list[list[int]] = []
    true = sampler.drafts

    def noted(rows: Any, lengths: Any, *rest: Any) -> Any:
        kept.extend(row[:length].tolist() for row, length in zip(rows, lengths, strict=True))
        return true(rows, lengths, *rest)

    monkeypatch.setattr(sampler, "drafts", noted)
    how = Sampling(n=40, temperature=1.3, top_p=1, max_tokens=3, thought_tokens=6)
    found = sampler.sample(TEXTS, how, seed=(1,))
    reasons = {draft.finish_reason for drafts in found for draft in drafts}
    assert reasons == {"stop", "length"}
    closed = [row.index(close) for row in kept if close in row]
    assert max(closed) == 5  # the sixth token, where a sample has not ended its thoughts before
    assert min(closed) < 5
    for row in kept:
        if close in row:
            after = row[row.index(close) + 1 :]
            assert len(after) == 3 or (after and after[-1] == 0) or not after
        else:
            assert row[-1] == 0
            assert len(row) <= 6
    plain = Sampling(n=40, temperature=1.3, top_p=1, max_tokens=9)
    free = sampler.sample(TEXTS, plain, seed=(1,))
    assert free != found


def test_both_ways_end_thoughts_alike(make_model: Any, make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer(special=("<|end|>", "</think>"))
    model = make_model("llama", len(tokenizer), context=40)
    how = Sampling(n=20, temperature=1.3, top_p=1, max_tokens=3, thought_tokens=5)
    shared = Sampler(model, tokenizer, form="plain").sample(TEXTS, how, seed=(1,))
    alone = Sampler(model, tokenizer, form="plain", forward=OneByOne(model))
    assert alone.sample(TEXTS, how, seed=(1,)) == shared


def test_a_budget_of_thoughts_needs_their_token(make_model: Any, make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer()
    sampler = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    how = Sampling(n=1, temperature=1, top_p=1, max_tokens=3, thought_tokens=5)
    with pytest.raises(InputError, match="thought_tokens: the tokenizer has no token '</think>'"):
        sampler.sample(TEXTS, how, seed=(1,))


def test_a_model_that_generate_fails_with_is_refused(make_tokenizer: Any) -> None:
    """transformers' xLSTM cannot continue from its states with queries smaller than values."""
    tokenizer = make_tokenizer()
    config = AutoConfig.for_model(
        "xlstm", vocab_size=len(tokenizer), hidden_size=32, num_heads=4, num_blocks=2
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    how = Sampling(n=1, temperature=0, top_p=1, max_tokens=3)
    with pytest.raises(InputError, match="`generate` fails with xLSTMForCausalLM") as error:
        list(Sampler(model, tokenizer, form="plain").sample(TEXTS[:1], how, seed=(0,)))
    assert "\n" not in str(error.value)
