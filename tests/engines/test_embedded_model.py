"""The shipped base model: its size, its format, and the pre-training documents it was made from."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from mathtune.data.arithmetic import FAMILIES, draw
from mathtune.data.arithmetic.puzzle import write
from mathtune.engines import prompts
from mathtune.engines.embedded_model import path
from pretraining.documents import VERDICT_WEIGHT, batches, judging, pool, solving
from pretraining.mistakes import plant
from pretraining.muon import Muon, orthogonalised
from pretraining.own import first_error
from pretraining.pretrain import build_tokenizer, loss_of, model_of


def test_size_and_format() -> None:
    folder = path()
    assert (folder / "model.safetensors").stat().st_size <= 4_000_000
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert model.config.model_type == "llama"
    assert 500_000 <= sum(p.numel() for p in model.parameters()) <= 2_000_000
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.config.vocab_size == len(tokenizer)


def test_the_shipped_tokenizer_is_the_one_the_script_builds() -> None:
    shipped = PreTrainedTokenizerFast.from_pretrained(path())
    assert shipped.get_vocab() == build_tokenizer().get_vocab()


def test_a_judging_document_labels_every_token_from_the_mistake_on() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path())
    rng = random.Random(0)
    puzzle = draw("pretrain", "saving", rng)
    mistaken = plant(puzzle, rng)
    (batch,) = batches([judging(puzzle.text, mistaken, tokenizer)], 4096, rng, tokenizer)
    tokens, asked = batch.tokens[0].tolist(), batch.so_far[0].tolist()
    right, wrong = (
        str(tokenizer.decode([t for t, at in zip(tokens, asked, strict=True) if at == label]))
        for label in (1, 0)
    )
    before = mistaken.text[: mistaken.error].strip()
    assert before.endswith(right.strip())
    assert len(before.split()) - len(right.split()) <= 1  # the first word's token has a space
    assert wrong == mistaken.text[mistaken.error :] + "\nThe above candidate solution is"
    assert tokenizer.decode([tokens[-1]]) == prompts.INCORRECT
    assert batch.next_weights[0, -2] == VERDICT_WEIGHT
    assert batch.next_weights[0, -1] == 0


def test_a_pool_is_half_solving_half_judging_in_balanced_pairs() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path())
    documents = pool(random.Random(0), 400, [], tokenizer)
    verdicts = [document.correct for document in documents]
    assert len(documents) == 400
    assert verdicts.count(None) == 200
    assert verdicts.count(True) == verdicts.count(False) == 100


def test_wrong_answers_in_the_solvers_form_teach_only_their_check() -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path())
    rng = random.Random(1)
    wrong = 0
    for _ in range(100):
        puzzle = draw("pretrain", "product", rng)
        document = solving(puzzle, rng, tokenizer)
        learned = document.text[document.learn :]
        assert document.text.endswith(tokenizer.eos_token)
        if f"#### {puzzle.answer}{tokenizer.eos_token}" not in document.text:
            wrong += 1
            assert learned.startswith("The other is <<")
    assert 10 <= wrong <= 50


def test_padding_does_not_change_the_losses() -> None:
    tokenizer = build_tokenizer()
    labels = (tokenizer.encode(prompts.CORRECT)[0], tokenizer.encode(prompts.INCORRECT)[0])
    torch.manual_seed(0)
    model = model_of(len(tokenizer), width=32, layers=2)
    rng = random.Random(0)
    documents = [
        judging(puzzle.text, write(puzzle, rng), tokenizer)
        for puzzle in (draw("pretrain", family, rng) for family in ("pay", "equation"))
    ]
    (together,) = batches(documents, 4096, rng, tokenizer)
    alone = [next(batches([document], 4096, rng, tokenizer)) for document in documents]
    assert together.tokens.shape[0] == 2
    sums = [float(b.next_weights.sum()) for b in alone]
    parts = [loss_of(model, b, labels)[0].item() for b in alone]
    expected = sum(s * p for s, p in zip(sums, parts, strict=True)) / sum(sums)
    assert loss_of(model, together, labels)[0].item() == pytest.approx(expected, rel=1e-5)


def test_the_first_error_of_a_planted_mistake_is_found() -> None:
    rng = random.Random(3)
    for family in FAMILIES:
        for _ in range(30):
            puzzle = draw("pretrain", family, rng)
            assert first_error(puzzle, write(puzzle, rng)) >= 0
            mistaken = plant(puzzle, rng)
            line = mistaken.text.rfind("\n", 0, mistaken.error)
            assert first_error(puzzle, mistaken.text) > line


def test_muon_pushes_singular_values_to_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(3, 24, 16)))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.4


def test_muon_descends() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4))
    goal = torch.randn(8, 4)
    step = Muon([weight], lr=0.05, momentum=0.9, decay=0.0)
    first = (weight - goal).square().sum().item()
    for _ in range(200):
        (weight - goal).square().sum().backward()
        step.step()
        step.zero_grad()
    assert (weight - goal).square().sum().item() < first / 20
