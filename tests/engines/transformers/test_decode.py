"""What the engine samples: equal to generate, distributed as the model says."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from mathtune.engines.transformers.decode import Sampler, Sampling
from mathtune.engines.transformers.flight import SHARED, left_padded, read_beginning
from mathtune.engines.transformers.llama_forward import FusedForward, fits
from mathtune.engines.transformers.shared_attention import ModelForward, Prompts
from mathtune.errors import InputError

FAMILIES = (
    *("llama", "qwen2", "qwen2, windows", "qwen3", "gpt_neox"),
    *("gemma", "gemma2", "gemma3", "mistral"),
)
TEXTS = [
    "Problem: What is 12 + 30?\nSolution:\n",
    "Tom has 5 apples",
    "5",
    "buys 7 more.\nProblem: x x x x, y y y y y y, and then some more of all that",
    "Tom has 7 apples",
]


def greedy(max_tokens: int) -> Sampling:
    return Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=max_tokens)


def generated(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, text: str, max_tokens: int
) -> tuple[str, int]:
    """Greedy text and token count by transformers' own generate, the end token left out."""
    ids = torch.tensor([tokenizer.encode(text)])
    ends = model.generation_config.eos_token_id
    row = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_tokens,
        pad_token_id=0,
    )[0, ids.shape[1] :].tolist()
    kept = next((row[:at] for at, token in enumerate(row) if token in ends), row)
    return tokenizer.decode(kept), len(kept)


@pytest.mark.usefixtures("other_layout")
def test_the_layout_of_a_kernels_result_does_not_matter(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    expected = [generated(make_model("llama", len(tokenizer)), tokenizer, x, 20) for x in TEXTS]
    model = make_model("llama", len(tokenizer))
    drafts = Sampler(model, tokenizer, form="plain").sample(TEXTS, greedy(20), seed=(0, 0))
    assert [(draft.text, draft.tokens) for (draft,) in drafts] == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [None, 2])
def test_greedy_tokens_equal_generate(family, rows, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    # 150 tokens outgrow the buffer twice; with 2 rows in flight, rows enter beside older ones
    expected = [
        generated(make_model(family, len(tokenizer)), tokenizer, text, 150) for text in TEXTS
    ]
    engine = Sampler(make_model(family, len(tokenizer)), tokenizer, form="plain", rows=rows)
    drafts = engine.sample(TEXTS, greedy(150), seed=(0, 0))
    assert [(draft.text, draft.tokens) for (draft,) in drafts] == expected
    assert len({tokens for _, tokens in expected}) > 1  # some end early


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [None, 2])
def test_what_all_prompts_begin_with_is_read_once(family, rows, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    """Exemplars, say. A window shorter than the prompts needs them read as a whole."""
    tokenizer = make_tokenizer()
    shown = (
        "Problem: Tom has 5 apples and buys 7 more, 3 y 9.\nSolution:\n5 + 7 = 12\n#### 12\n" * 4
    )
    texts = [shown + text for text in TEXTS]
    expected = [
        generated(make_model(family, len(tokenizer)), tokenizer, text, 60) for text in texts
    ]
    engine = Sampler(make_model(family, len(tokenizer)), tokenizer, form="plain", rows=rows)
    forward, read = engine.forward, list[int]()

    def counting(ids, positions, reader, *, kept=1):  # type: ignore[no-untyped-def]
        if isinstance(reader, Prompts):
            read.append(ids.numel())
        return forward(ids, positions, reader, kept=kept)

    engine.forward = counting
    drafts = engine.sample(texts, greedy(60), seed=(0, 0))
    assert [(draft.text, draft.tokens) for (draft,) in drafts] == expected
    assert len({text for text, _ in expected}) > 1
    lengths = [len(tokenizer.encode(text)) for text in texts]
    windows = family in ("qwen2, windows", "gemma2", "gemma3", "mistral")
    assert (sum(read[1:]) < sum(lengths) / 2) != windows
    assert SHARED <= read[0] < min(lengths)


def test_few_common_tokens_and_prompts_without_room_are_not_shared(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model("gpt_neox", len(tokenizer), context=SHARED)
    forward = ModelForward(model)
    ids = list(range(20, 20 + SHARED))
    device = torch.device("cpu")
    assert read_beginning(forward, device, [ids, ids[:-1]], 9) is None
    assert read_beginning(forward, device, [[*ids, 1]], 9) is None
    beginning = read_beginning(forward, device, [[*ids, 1], [*ids, 2]], 9)
    assert beginning is not None
    assert beginning.longest == SHARED
    long = TEXTS[3] * 4
    engine = Sampler(model, tokenizer, form="plain")
    found = engine.sample([long + "5", TEXTS[2], long + "6"], greedy(9), seed=(0, 0))
    assert [draft.finish_reason == "prompt_too_long" for (draft,) in found] == [True, False, True]


@pytest.mark.parametrize(("window", "shared"), [(SHARED + 10, True), (SHARED + 9, False)])
def test_common_tokens_are_shared_if_a_whole_sample_fits_into_the_window(  # type: ignore[no-untyped-def]
    window, shared, make_model, make_tokenizer
):
    """A prompt of one token more than is common, and nine tokens of solution."""
    model = make_model("mistral", len(make_tokenizer()))
    model.config.sliding_window = window
    ids = list(range(20, 20 + SHARED))
    encoded = [[*ids, 1], [*ids, 2]]
    found = read_beginning(ModelForward(model), torch.device("cpu"), encoded, 9)
    assert (found is not None) == shared


@pytest.mark.parametrize(
    ("family", "temperature", "some"),
    [("llama", 0.8, 20), ("gpt_neox", 0.8, 20), ("llama", 0.2, 8)],
)
def test_samples_do_not_depend_on_the_rows_in_flight(  # type: ignore[no-untyped-def]
    family, temperature, some, make_model, make_tokenizer
):
    """At the low temperature many samples still agree when the next prompts enter."""
    tokenizer = make_tokenizer()
    sampling = Sampling(n=5, temperature=temperature, top_p=1.0, max_tokens=40)
    found = [
        Sampler(make_model(family, len(tokenizer)), tokenizer, form="plain", rows=rows).sample(
            TEXTS, sampling, seed=(3, 2)
        )
        for rows in (None, 3, 7, 14)
    ]
    assert found[0] == found[1] == found[2] == found[3]
    assert len({draft.text for group in found[0] for draft in group}) > some


def test_samples_that_agree_so_far_are_one_row(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    """What is read are a prompt's distinct beginnings of samples that go on."""
    tokenizer = make_tokenizer()
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    read: list[int] = []
    forward = engine.forward

    def counting(ids, positions, reader, *, kept=1):  # type: ignore[no-untyped-def]
        read.append(0 if isinstance(reader, Prompts) else len(ids))
        return forward(ids, positions, reader, kept=kept)

    engine.forward = counting
    sampling = Sampling(n=12, temperature=0.1, top_p=1.0, max_tokens=30)
    flight = engine.decode(engine._encoded(TEXTS), sampling, seed=(0, 0))
    tokens, lengths = flight.tokens.tolist(), flight._lengths.tolist()
    beginnings = {
        (number // 12, tuple(tokens[number][:many]))
        for number, length in enumerate(lengths)
        for many in range(1, length)
    }
    assert sum(read) == len(beginnings)
    assert len(beginnings) < 0.7 * (sum(lengths) - len(lengths))


def test_another_seed_or_block_draws_other_samples(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    sampling = Sampling(n=4, temperature=1.0, top_p=1.0, max_tokens=20)
    first, block, seed = (
        engine.sample(TEXTS[:1], sampling, seed=s) for s in ((0, 0), (0, 1), (1, 0))
    )
    assert first != block
    assert first != seed
    assert first == engine.sample(TEXTS[:1], sampling, seed=(0, 0))


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.3, 0.6)])
def test_frequencies_match_the_models_probabilities(  # type: ignore[no-untyped-def]
    family, temperature, top_p, make_model, make_tokenizer
):
    """Chi-square of the second token's frequencies, given the most frequent first token."""
    tokenizer = make_tokenizer()
    model = make_model(family, len(tokenizer))
    model.generation_config.eos_token_id = [0]
    drawn = 4000
    engine = Sampler(model, tokenizer, form="plain")
    sampling = Sampling(n=drawn, temperature=temperature, top_p=top_p, max_tokens=2)
    flight = engine.decode(engine._encoded([TEXTS[1]]), sampling, seed=(0, 0))
    pairs = [(first, second) for first, second in flight.tokens.tolist() if first != 0]
    first, count = Counter(pair[0] for pair in pairs).most_common(1)[0]
    ids = torch.tensor([[*tokenizer.encode(TEXTS[1]), first]])
    with torch.no_grad():
        logits = make_model(family, len(tokenizer))(ids).logits[0, -1]
    expected = nucleus(torch.softmax(logits.double() / temperature, 0), top_p)
    seen = Counter(second for token, second in pairs if token == first)
    assert not [token for token in seen if expected[token] == 0]
    # rare tokens are pooled, so that every cell expects at least five
    common = [token for token in range(len(expected)) if expected[token] * count >= 5]
    cells = [(seen[token], float(expected[token]) * count) for token in common]
    cells.append((count - sum(s for s, _ in cells), count - sum(e for _, e in cells)))
    chi = sum((s - e) ** 2 / e for s, e in cells if e > 1)
    free = len(cells) - 1
    assert count > 100
    assert chi < free + 4 * (2 * free) ** 0.5 + 4  # about four standard deviations


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The smallest set of likeliest tokens with at least `top_p`, by a plain loop."""
    kept, total = torch.zeros_like(probabilities), 0.0
    for token in probabilities.argsort(descending=True).tolist():
        if total >= top_p:
            break
        kept[token] = probabilities[token]
        total += float(probabilities[token])
    return kept / kept.sum()


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_the_fused_forward_call_is_the_models_own(family, make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model(family, len(tokenizer))
    assert fits(model)
    encoded = [tokenizer.encode(text) for text in TEXTS]
    longest = max(map(len, encoded))
    lengths = torch.tensor([len(ids) for ids in encoded])
    ids, positions = left_padded(encoded, longest)
    with torch.inference_mode():
        fused = FusedForward(model)(ids, positions, Prompts(lengths, longest), kept=3)
        plain = ModelForward(model)(ids, positions, Prompts(lengths, longest), kept=3)
    assert fused.shape == plain.shape == (len(TEXTS), 3, len(tokenizer))
    real = (torch.arange(longest) >= longest - lengths[:, None])[:, -3:]
    torch.testing.assert_close(fused[real], plain[real], rtol=1e-4, atol=1e-4)


def test_a_prompt_beyond_the_context_is_not_sampled(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer), context=30)
    model.generation_config.eos_token_id = [0]
    engine = Sampler(model, tokenizer, form="plain")
    texts = ["x" * 40, "x" * 27]
    assert [len(tokenizer.encode(text)) for text in texts] == [40, 27]
    sampling = Sampling(n=2, temperature=1.0, top_p=1.0, max_tokens=20)
    long, short = engine.sample(texts, sampling, seed=(0, 0))
    assert [(d.text, d.finish_reason, d.tokens) for d in long] == [("", "prompt_too_long", 0)] * 2
    assert all(d.tokens == 3 for d in short if d.finish_reason == "length")
    assert all(d.finish_reason in ("stop", "length") for d in short)


def test_a_prompt_without_tokens_is_refused(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    with pytest.raises(InputError, match="prompt 1: empty"):
        engine.sample(["Tom has", ""], greedy(5), seed=(0, 0))


def test_a_tokenizer_without_a_padding_token_samples_the_same(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    model = make_model("llama", len(tokenizer))
    sampling = Sampling(n=2, temperature=1.0, top_p=1.0, max_tokens=20)
    tokenizer.pad_token = "5"
    padded = Sampler(model, tokenizer, form="plain").sample(TEXTS, sampling, seed=(0, 0))
    tokenizer.pad_token = None
    assert Sampler(model, tokenizer, form="plain").sample(TEXTS, sampling, seed=(0, 0)) == padded


def test_a_sample_ends_where_the_next_problem_begins(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain")
    whole = Sampling(n=8, temperature=1.0, top_p=1.0, max_tokens=60)
    (free,) = engine.sample(TEXTS[:1], whole, seed=(0, 0))
    longest = max(free, key=lambda draft: draft.tokens)
    stop = longest.text[len(longest.text) // 2 :][:2]
    cut = Sampling(n=8, temperature=1.0, top_p=1.0, max_tokens=60, stop=stop)
    (stopped,) = engine.sample(TEXTS[:1], cut, seed=(0, 0))
    assert any(stop in draft.text for draft in free)
    for before, after in zip(free, stopped, strict=True):
        if stop in before.text:
            assert after.text == before.text.partition(stop)[0].rstrip()
            assert after.finish_reason == "stop"
            assert after.tokens <= before.tokens
        else:
            assert after == before


def failing_beyond(engine: Sampler, rows: int, error: RuntimeError) -> None:
    """Let memory run out where more rows are read at once."""
    forward = engine.forward

    def limited(ids, positions, reader, *, kept=1):  # type: ignore[no-untyped-def]
        if len(ids) > rows:
            raise error
        return forward(ids, positions, reader, kept=kept)

    engine.forward = limited


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["accelerator", "cpu"],
)
def test_fewer_rows_are_in_flight_where_memory_runs_out(  # type: ignore[no-untyped-def]
    error, make_model, make_tokenizer, capsys
):
    tokenizer = make_tokenizer()
    sampling = Sampling(n=5, temperature=1.0, top_p=1.0, max_tokens=20)
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain", rows=16)

    def said() -> list[str]:  # without the progress that a slow machine shows
        lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
        return [line for line in lines if not line.startswith("sampling: ")]

    expected = engine.sample(TEXTS, sampling, seed=(0, 0))
    assert said() == []
    failing_beyond(engine, 5, error)
    assert engine.sample(TEXTS, sampling, seed=(0, 0)) == expected
    assert said() == [f"out of memory: continuing with {rows} rows in flight" for rows in (8, 4)]
    assert engine.sample(TEXTS, sampling, seed=(0, 0)) == expected
    assert said() == []  # what was learned is kept


def test_memory_for_a_single_sample_is_needed(make_model, make_tokenizer):  # type: ignore[no-untyped-def]
    tokenizer = make_tokenizer()
    engine = Sampler(make_model("llama", len(tokenizer)), tokenizer, form="plain", rows=4)
    failing_beyond(engine, 0, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(InputError, match="out of memory with a single sample in flight"):
        engine.sample(TEXTS, greedy(5), seed=(0, 0))
    failing_beyond(engine, 0, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        engine.sample(TEXTS, greedy(5), seed=(0, 0))
