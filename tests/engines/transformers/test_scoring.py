"""Scores: equal to a plain forward call on each whole text, multi-token labels included."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from mathtune.engines import prompts
from mathtune.engines.protocol import Sampling, share
from mathtune.engines.transformers import line_attention, scoring
from mathtune.engines.transformers.decode import Sampler
from mathtune.engines.transformers.scoring import Query, Scorer
from mathtune.errors import InputError

FAMILIES = (
    *("llama", "qwen2", "qwen2, windows", "qwen3", "gpt_neox"),
    *("gemma", "gemma2", "gemma3", "mistral"),
)
TOM = "Tom has 5 apples and buys 7 more."
STEMS = [
    # Nested stems longer than the windows, one candidate a beginning of another, two equal ones.
    *(f"{TOM} {TOM} 5 + 7 = 12", f"{TOM} {TOM} 5 + 7 = 12\n#### 12", f"{TOM} 42", f"{TOM} {TOM} 5"),
    *(f"{TOM} {TOM} 5 + 7 = 12\n#### 13", TOM, f"{TOM} 42", "5", f"{TOM} {TOM} {TOM} {TOM}"),
]
PROBLEMS = [
    ("What is 12 + 30?", ["5 + 7 = 12\n#### 12", "5\n", "Tom has 42 apples " * 5, "5\n", ""]),
    ("Tom buys 7 more. How many?", ["7", "12 apples 12 apples"]),
    ("Alone", ["only one candidate"]),
    ("How many?", STEMS),
]


def log_p(model: PreTrainedModel, ids: list[int], start: int) -> float:
    """Log-probability of ids[start:] given what precedes, by one forward call."""
    with torch.no_grad():
        logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return sum(float(logs[at - 1, ids[at]]) for at in range(start, len(ids)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", [True, False])
def test_scores_equal_a_plain_forward_call(family, words, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer(words=words)
    right = len(tokenizer.encode(" correct"))
    assert (right, len(tokenizer.encode(" incorrect"))) == ((1, 1) if words else (2, 4))
    model = make_model(family, len(tokenizer))
    groups = [
        [prompts.evaluator(problem, text, form="plain", tokenizer=tokenizer) for text in candidates]
        for problem, candidates in PROBLEMS
    ]
    found = Scorer(make_model(family, len(tokenizer)), tokenizer, form="plain").evaluate(groups)
    for texts, scores in zip(groups, found, strict=True):
        for text, score in zip(texts, scores, strict=True):
            start = len(tokenizer.encode(text))
            correct = math.exp(log_p(model, tokenizer.encode(text + " correct"), start))
            wrong = math.exp(log_p(model, tokenizer.encode(text + " incorrect"), start))
            assert score == pytest.approx(correct / (correct + wrong), abs=1e-5)
    assert found[0][1] == found[0][3]  # the same text twice


@pytest.mark.parametrize("family", FAMILIES)
def test_likelihoods_are_sums_of_log_p_with_the_end_token(family, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model(family, len(tokenizer))
    texts = [prompts.solver(p, form="plain", tokenizer=tokenizer) for p, _ in PROBLEMS]
    scorer = Scorer(make_model(family, len(tokenizer)), tokenizer, form="plain")
    found = scorer.log_likelihoods(texts, [candidates for _, candidates in PROBLEMS])
    for text, (_, candidates), logs in zip(texts, PROBLEMS, found, strict=True):
        prompt = tokenizer.encode(text)
        for candidate, log in zip(candidates, logs, strict=True):
            ids = [*prompt, *tokenizer.encode(candidate), tokenizer.eos_token_id]
            assert log == pytest.approx(log_p(model, ids, len(prompt)), abs=1e-4)


def test_scores_do_not_depend_on_the_batch(monkeypatch, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    groups = [[p + c for c in candidates] for p, candidates in PROBLEMS]
    together = scorer.evaluate(groups)
    apart = [scorer.evaluate([[text]])[0][0] for group in groups for text in group]
    flat = [score for group in together for score in group]
    assert flat == pytest.approx(apart, abs=1e-6)
    monkeypatch.setitem(scoring.TOKENS, "cpu", 1)
    for shared in (scoring.SHARED_TOKENS, 1):  # the beginnings side by side, or one by one
        monkeypatch.setattr(scoring, "SHARED_TOKENS", shared)
        single = scorer.evaluate(groups)
        assert flat == pytest.approx([score for group in single for score in group], abs=1e-6)


def test_the_layout_of_a_kernels_result_does_not_matter(  # type: ignore[no-untyped-def]
    request, make_model, make_tokenizer
):
    tokenizer = make_tokenizer()
    groups = [[f"{problem}{text} is" for text in texts] for problem, texts in PROBLEMS]
    model = make_model("qwen2", len(tokenizer))
    expected = Scorer(model, tokenizer, form="plain").evaluate(groups)
    request.getfixturevalue("other_layout")
    assert Scorer(model, tokenizer, form="plain").evaluate(groups) == expected


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_neox"])
def test_logits_of_a_bfloat16_model_are_not_rounded(family, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model(family, len(tokenizer)).bfloat16()
    scorer = Scorer(model, tokenizer, form="plain")
    head, seen = model.get_output_embeddings(), []
    head.register_forward_hook(lambda _, args, logits: seen.append((args[0], logits)))
    scorer.evaluate([[f"{TOM} {number} is" for number in range(40)]])
    for hidden, logits in seen:
        expected = hidden.float() @ head.weight.float().T
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    found = {s for group in scorer.evaluate([[f"{TOM} {n} is" for n in range(40)]]) for s in group}
    assert len(found) > 25  # of bfloat16 logits, some 15 are left


def test_a_candidate_beyond_the_context_has_no_score(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer), context=40), tokenizer, form="plain")
    ((long, short),) = scorer.evaluate([["x" * 50, "xy"]])
    assert long is None
    assert short is not None
    ((long, short),) = scorer.log_likelihoods(["x" * 30], [["y" * 20, "y"]])
    assert long is None
    assert short is not None
    assert short < 0


def test_a_prompt_without_tokens_is_refused(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    with pytest.raises(InputError, match="empty"):
        scorer.evaluate([["Tom has", ""]])
    with pytest.raises(InputError, match="empty"):
        scorer.log_likelihoods([""], [["5"]])


def test_what_candidates_share_is_read_once(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    texts = ["x" * 30 + ending for ending in ("a", "b", "c", "b")]
    scorer.evaluate([texts])
    lengths = [len(tokenizer.encode(text)) for text in texts]
    assert lengths == [31] * 4
    assert scorer.tokens == 30 + 3  # the beginning, and one token of each distinct text


def test_each_candidate_is_read_from_where_it_differs_from_its_neighbour(  # type: ignore[no-untyped-def]
    monkeypatch, make_model, make_tokenizer
):
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    texts = ["xyz" + rest for rest in ("abcde", "abcdf", "abg", "q", "abcd", "abg")]
    assert [len(tokenizer.encode(text)) for text in texts] == [8, 8, 6, 4, 7, 6]
    together = scorer.evaluate([texts])
    # xyz, abcd, e, f, g, q; each rest by itself would make 3 + 5 + 5 + 3 + 1 + 4.
    assert scorer.tokens == 3 + 4 + 1 + 1 + 1 + 1
    monkeypatch.setitem(scoring.TOKENS, "cpu", 5)
    scorer.tokens = 0
    # In calls of five tokens: abcd, e; abcdf, whose stem another call has read; abg, q.
    assert scorer.evaluate([texts]) == [pytest.approx(together[0], abs=1e-6)]
    assert scorer.tokens == 3 + (4 + 1) + 5 + (3 + 1)


@pytest.mark.parametrize("keys", [1, 100, 2**13])
@pytest.mark.parametrize("queries", [1, 3, 32])
def test_how_attention_is_cut_changes_nothing(
    keys, queries, monkeypatch, make_model, make_tokenizer
):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer(words=False)
    model = make_model("gemma2", len(tokenizer))
    groups = [[f"How many? {text}" for text in STEMS], ["5", "7 apples"]]
    whole = Scorer(model, tokenizer, form="plain").evaluate(groups)
    monkeypatch.setitem(line_attention.KEYS, "cpu", keys)
    monkeypatch.setattr(line_attention, "QUERIES", queries)
    cut = Scorer(model, tokenizer, form="plain").evaluate(groups)
    for found, expected in zip(cut, whole, strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_rows_of_the_same_tokens_with_other_words(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    tokens = (5, 6, 7, 8)
    rows = [Query(tokens, (((3, 9),),)), Query(tokens, (((1, 7), (3, 9)),))]
    longer = Query((*tokens, 9), (((4, 3), (2, 8)),))
    ((first, second, third),) = scorer._read_groups([[[rows[0]], [rows[1]], [longer]]])
    model = make_model("llama", len(tokenizer))
    log = {at: log_p(model, [*tokens, 9, 3][: at + 1], at) for at in range(1, 6)}
    assert first == [pytest.approx(log[4], abs=1e-5)]
    assert second == [pytest.approx(log[2] + log[4], abs=1e-5)]
    assert third == [pytest.approx(log[3] + log[5], abs=1e-5)]


def test_the_score_is_a_share_by_hand() -> None:
    assert share(math.log(0.3), math.log(0.1)) == pytest.approx(0.75)
    assert share(-2000.0, 0.0) == 0
    assert share(0.0, -2000.0) == 1


def test_the_shared_beginning_ends_before_what_is_wanted() -> None:
    rows = [
        Query((1, 2, 3, 4), (((3, 9),),)),
        Query((1, 2, 3, 5), (((2, 5), (3, 9)),)),
    ]
    assert scoring._shared(rows) == 2
    assert scoring._shared(rows[:1]) == 3


def test_less_is_read_at_once_where_memory_runs_out(make_model, make_tokenizer, capsys):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    groups = [[p + c for c in candidates] for p, candidates in PROBLEMS]
    scorer = Scorer(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    expected = scorer.evaluate(groups)
    forward, most = scorer._forward, 40

    def limited(ids, positions, reader, *, kept=1):  # type: ignore[no-untyped-def]
        if ids.numel() > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(ids, positions, reader, kept=kept)

    scorer._forward = limited
    for found, scores in zip(scorer.evaluate(groups), expected, strict=True):
        assert found == pytest.approx(scores, abs=1e-6)
    said = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert said[0] == "out of memory: continuing with 512 tokens read at once"
    most = 0
    with pytest.raises(InputError, match="out of memory with a single candidate"):
        scorer.evaluate([["Tom has"]])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_logits_that_are_no_numbers_are_refused(broken, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer))
    model.model.layers[1].mlp.down_proj.weight.data[3, 3] = broken
    scorer = Scorer(model, tokenizer, form="plain")
    with pytest.raises(InputError, match="logits are not finite"):
        scorer.evaluate([["5 + 7 = 12 is"]])
    with pytest.raises(InputError, match="logits are not finite"):
        scorer.log_likelihoods(["5 + 7"], [["= 12"]])


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_a_sample_that_its_prompt_began_has_the_likelihood_of_its_tokens(
    family: str, make_model: Any, make_tokenizer: Any
) -> None:
    """The prompt opens a thought: the text has its mark, the tokens that were drawn have not."""
    tokenizer = make_tokenizer(special=("<|end|>", "</think>"))
    tokenizer.chat_template = (
        "{{ messages[0]['content'] }}{% if add_generation_prompt %}<think>\n{% endif %}"
    )
    model, own = (make_model(family, len(tokenizer)) for _ in range(2))
    text = prompts.solver(TOM, form="chat", tokenizer=tokenizer)
    sampler = Sampler(model, tokenizer, form="chat")
    how = Sampling(n=200, temperature=1.0, top_p=1.0, max_tokens=3)
    before = prompts.encode(text, form="chat", tokenizer=tokenizer)
    loop = sampler.decode([before], how, seed=(0,))
    (drafts,) = sampler.sample([text], how, seed=(0,))
    assert all(draft.text.startswith("<think>\n") for draft in drafts)
    compared = 0
    scorer = Scorer(model, tokenizer, form="chat", forward=sampler.forward)
    (found,) = scorer.log_likelihoods([text], [[draft.text for draft in drafts]])
    for draft, score, row in zip(drafts, found, loop.tokens.tolist(), strict=True):
        drawn = row[: draft.tokens]
        read = tokenizer.decode(drawn)
        if tokenizer.encode(read) == drawn:
            end = prompts.end_token(tokenizer, form="chat")
            assert score == pytest.approx(log_p(own, [*before, *drawn, end], len(before)), abs=1e-3)
            compared += 1
    assert compared >= 5
