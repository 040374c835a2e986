"""Bits per byte: a model that knows nothing, by hand; windows; a file's rows one by one."""

from __future__ import annotations

from math import log, log2
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from mathtune.engines import embedded_model
from mathtune.engines.transformers import models
from mathtune.engines.transformers.text_loss import Span, surprise, windows
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Problem
from mathtune.stages.bits import Bits


@given(st.integers(2, 60), st.integers(8, 20))
def test_windows_predict_every_token_but_the_first_once(length: int, size: int) -> None:
    spans = windows(list(range(length)), size)
    assert [i for span in spans for i in span.ids[span.start :]] == list(range(1, length))
    assert all(len(span.ids) <= size for span in spans)


@pytest.fixture(scope="module")
def ignorant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model with an embedding of zeros: every token is as likely."""
    folder = tmp_path_factory.mktemp("ignorant")
    model = LlamaForCausalLM.from_pretrained(embedded_model.path())
    torch.nn.init.zeros_(model.get_input_embeddings().weight)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast.from_pretrained(embedded_model.path()).save_pretrained(folder)
    return folder


def test_a_model_that_knows_nothing_has_log_v_bits_a_token(ignorant: Path, tmp_path: Path) -> None:
    text = "Ann saves <<6*4=24>>24 in all.\nTotal is <<24+1=25>>25\n" * 30
    (tmp_path / "text.txt").write_text(text)
    stage = Bits(model=str(ignorant), text=tmp_path / "text.txt", max_length=64)
    found = stage.run(tmp_path)
    tokenizer = models.load_tokenizer(str(ignorant))
    ids = tokenizer.encode(text, add_special_tokens=False)
    first = len(tokenizer.decode(ids[:1]).encode())
    assert found.tokens == len(ids) - 1
    assert found.bytes == len(text.encode()) - first
    expected = (len(ids) - 1) * log2(len(tokenizer)) / found.bytes
    assert found.bits_per_byte == pytest.approx(expected, abs=1e-5)
    assert (found.layers, found.width) == (4, 96)
    assert found.parameters - found.without_embeddings == len(tokenizer) * 96


def test_rows_are_the_solution_given_the_problem(tmp_path: Path) -> None:
    rows = [
        Example(problem_id="a", problem="What is 6 times 4?", solution="It is <<6*4=24>>24"),
        Example(problem_id="b", problem="And 2 + 2?", solution="2 + 2 is 4, as ever.\n#### 4"),
    ]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    found = Bits(model="embedded", text=tmp_path / "rows.jsonl").run(tmp_path)
    model, tokenizer = models.load("embedded")
    nats = 0.0
    for row in rows:  # one by one, token by token
        before = tokenizer.encode(f"Problem: {row.problem}\nSolution:\n")
        ids = before + tokenizer.encode(row.solution)
        with torch.no_grad():
            logs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        nats -= sum(float(logs[i - 1, ids[i]]) for i in range(len(before), len(ids)))
    size = sum(len(row.solution.encode()) for row in rows)
    assert found.bytes == size
    assert found.bits_per_byte == pytest.approx(nats / log(2) / size, abs=1e-4)
    whole = surprise(model, [Span(tokenizer.encode(rows[0].solution), 1)])
    assert whole > 0


def test_a_row_without_a_solution_is_refused(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "rows.jsonl", [Problem(id="a", problem="A?", answer="1")])
    with pytest.raises(InputError, match="row 1, field 'solution': missing"):
        Bits(model="embedded", text=tmp_path / "rows.jsonl").run(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="fewer than two tokens"):
        Bits(model="embedded", text=tmp_path / "empty.txt").run(tmp_path)
