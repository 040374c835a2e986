"""Which tokens are read and learned: prompts, targets, label words, truncation, faulty rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mathtune.engines import prompts
from mathtune.errors import InputError
from mathtune.rows import jsonl
from mathtune.rows.records import Example, Labelled, Pair
from mathtune.training.examples import Encoder, Item, read_rows, shown

EXAMPLE = Example(problem_id="a", problem="What is 1 + 1?", solution="1 + 1 = 2\n#### 2")
PAIR = Pair(problem_id="a", problem="What is 1 + 1?", right="#### 2", wrong="#### 3")
LABELLED = Labelled(problem_id="a", problem="What is 1 + 1?", solution="#### 2", correct=True)
TEXT = [
    "Here is a math problem: What is 1 + 1?\nHere is a candidate solution: 1 + 1 = 2\n#### 2",
    "The above candidate solution is correct. The above candidate solution is in order",
    "Problem: What is 1 + 1?\nSolution:\n1 + 1 = 2\n#### 2",
    "The in and out of it: indirect, insect, corrected, rectangle",
]
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_level() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXT * 9,
        trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False),
    )
    return _wrapped(made)


def sentencepiece() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE(byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    made.train_from_iterator(TEXT * 9, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    return _wrapped(made)


def _wrapped(made: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<eos>", clean_up_tokenization_spaces=False
    )


@pytest.fixture(params=["byte-level", "sentencepiece", "characters", "whole words"])
def tokenizer(
    request: pytest.FixtureRequest, character_tokenizer: Callable[..., Any]
) -> PreTrainedTokenizerFast:
    return {
        "byte-level": byte_level,
        "sentencepiece": sentencepiece,
        "characters": lambda: character_tokenizer([]),
        "whole words": lambda: character_tokenizer([prompts.CORRECT, prompts.INCORRECT]),
    }[request.param]()


def encoded(row: Any, objective: Any, tokenizer: Any, max_length: int = 512) -> Item:
    (item,) = Encoder(tokenizer, "auto", max_length).items([("a", row)], objective)
    return item


def texts(item: Item, tokenizer: Any) -> dict[int, tuple[str, str]]:
    """What stands before each text's first token, and the text, by column."""
    found = {}
    for reading in item.readings:
        for column in sorted(set(reading.texts.tolist())):
            mine = reading.texts == column
            tokens = reading.tokens[mine].tolist()
            start = reading.positions[mine][0] + 1
            assert reading.positions[mine].tolist() == list(
                range(start - 1, start - 1 + len(tokens))
            )
            fed = reading.ids[start : start + len(tokens) - 1].tolist()
            assert fed == tokens[:-1]  # teacher-forced: all but the last token are fed
            before = tokenizer.decode(reading.ids[:start])
            whole = tokenizer.decode([*reading.ids[:start], *tokens])
            found[column] = (before, whole[len(before) :])
    return found


def test_only_the_solution_and_its_end_token_are_learned(tokenizer: Any) -> None:
    item = encoded(EXAMPLE, "mle", tokenizer)
    ((before, target),) = texts(item, tokenizer).values()
    assert before == "Problem: What is 1 + 1?\nSolution:\n"
    # Encoded by itself, as it is sampled: a sentencepiece begins with a space of its own.
    assert target.removeprefix(" ") == "1 + 1 = 2\n#### 2<eos>"
    assert item.target_tokens == len(item.readings[0].tokens)


def test_both_labels_are_read_from_where_they_differ_behind_the_whole_prompt(
    tokenizer: Any,
) -> None:
    item = encoded(LABELLED, "cls-xent", tokenizer)
    found = texts(item, tokenizer)
    prompt = prompts.evaluator(
        LABELLED.problem, LABELLED.solution, form="auto", tokenizer=tokenizer
    )
    assert prompt.endswith("The above candidate solution is")
    for column, label in enumerate((prompts.CORRECT, prompts.INCORRECT)):
        before, word = found[column]
        assert before + word == prompt + label
        assert before.startswith(prompt)
    (correct, *_), (incorrect, *_) = (
        [token for read in item.readings for token in read.tokens[read.texts == column]]
        for column in (0, 1)
    )
    assert correct != incorrect  # what both begin with is in neither


def test_labels_of_one_token_need_one_sequence_that_ends_at_the_verdict(
    character_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = character_tokenizer([prompts.CORRECT, prompts.INCORRECT])
    (reading,) = encoded(LABELLED, "cls-xent", tokenizer).readings
    assert reading.positions.tolist() == [len(reading.ids) - 1] * 2
    assert tokenizer.decode(reading.ids).endswith("The above candidate solution is")


def test_a_chat_template_wraps_the_problem_and_opens_the_answer(
    character_tokenizer: Callable[..., Any],
) -> None:
    words = ["<|user|>", "<|assistant|>", prompts.CORRECT, prompts.INCORRECT]
    tokenizer = character_tokenizer(words, chat_template=CHAT)
    ((before, target),) = texts(encoded(EXAMPLE, "mle", tokenizer), tokenizer).values()
    assert before == f"<|user|>What is 1 + 1?\n{prompts.INSTRUCTION}<eos><|assistant|>"
    assert target == "1 + 1 = 2\n#### 2<eos>"
    (reading,) = encoded(LABELLED, "cls-xent", tokenizer).readings
    asked = tokenizer.decode(reading.ids)
    assert asked.startswith("<|user|>Here is a math problem:")
    assert asked.endswith("<eos><|assistant|>The above candidate solution is")


@pytest.mark.parametrize(
    ("objective", "row", "columns", "target"),
    [
        ("cls-margin", PAIR, 4, None),
        ("ctr", PAIR, 2, "#### 2<eos>"),
        ("mul-margin", PAIR, 5, "#### 2<eos>"),
        ("mul-xent", LABELLED, 3, "#### 2<eos>"),
    ],
)
def test_columns_hold_the_texts_of_the_objective(
    objective: str,
    row: Any,
    columns: int,
    target: str | None,
    character_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = character_tokenizer([prompts.CORRECT, prompts.INCORRECT])
    item = encoded(row, objective, tokenizer)
    found = texts(item, tokenizer)
    assert sorted(found) == list(range(columns))
    if target is None:
        assert item.target_tokens == 0
        assert "#### 2" in found[0][0]
        assert "#### 3" in found[2][0]
    else:
        column = 0 if objective == "ctr" else columns - 1
        assert found[column][1] == target
        assert item.target_tokens == len(target) - len("<eos>") + 1


def test_a_wrong_solution_is_judged_but_never_learned(
    character_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = character_tokenizer([prompts.CORRECT, prompts.INCORRECT])
    wrong = Labelled(problem_id="a", problem="1?", solution="#### 3", correct=False)
    item = encoded(wrong, "mul-xent", tokenizer)
    assert sorted(texts(item, tokenizer)) == [0, 1]
    assert (item.correct, item.target_tokens) == (False, 0)


def test_a_long_solution_is_cut_and_a_long_prompt_left_out(
    character_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = character_tokenizer([])
    prompt = len("Problem: 1?\nSolution:\n")
    made = [
        ("short", Example(problem_id="a", problem="1?", solution="one")),
        ("cut", Example(problem_id="b", problem="1?", solution="one one")),
        ("out", Example(problem_id="c", problem="1?" + "!" * 5, solution="one")),
    ]
    encoder = Encoder(tokenizer, "plain", prompt + 4)
    items = encoder.items(made, "mle")
    assert [item.name for item in items] == ["short", "cut"]
    assert [shown(item, tokenizer).partition("⟦")[2] for item in items] == ["one<eos>⟧", "one ⟧"]
    assert (encoder.truncated, encoder.left_out) == (2, 1)


def test_no_example_with_a_target_inside_max_length_is_an_error(
    character_tokenizer: Callable[..., Any],
) -> None:
    encoder = Encoder(character_tokenizer([]), "plain", 8)
    with pytest.raises(
        InputError, match="max_length: found 8, inside which none of the 1 examples"
    ):
        encoder.items([("a", EXAMPLE)], "mle")


@pytest.mark.parametrize(
    ("rows", "objective", "sentence"),
    [
        ([PAIR], "mle", "line 1: found Pair rows; objective 'mle' learns from Example rows."),
        ([EXAMPLE], "cls-margin", "found Example rows; objective 'cls-margin' learns from Pair"),
        ([LABELLED], "ctr", "found Labelled rows; objective 'ctr' learns from Pair rows."),
        ([EXAMPLE], "cls-xent", "learns from Labelled or Pair rows."),
        (
            [EXAMPLE, Example(problem_id="b", problem="2?", solution=" ")],
            "mle",
            "row 2, field 'solution': empty; expected a solution to learn.",
        ),
        (
            [Labelled(problem_id="a", problem="2?", solution="", correct=True)],
            "mul-xent",
            "row 1, field 'solution': empty; expected a solution to learn.",
        ),
        (
            [Pair(problem_id="a", problem="2?", right="", wrong="#### 3")],
            "mul-xent",
            "row 1, field 'right': empty; expected a solution to learn.",
        ),
    ],
)
def test_rows_that_do_not_fit_end_with_a_sentence(
    rows: list[Any], objective: Any, sentence: str, tmp_path: Path
) -> None:
    jsonl.write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(InputError) as error:
        list(read_rows([tmp_path / "rows.jsonl"], objective))
    assert sentence in str(error.value)


def test_a_line_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"problem": ' + "[" * 100_000 + "\n")
    with pytest.raises(InputError, match=r"rows.jsonl, line 1: field 'problem': expected"):
        list(read_rows([tmp_path / "rows.jsonl"], "mle"))


def test_an_empty_solution_may_be_judged(tmp_path: Path) -> None:
    empty = Labelled(problem_id="a", problem="2?", solution="", correct=False)
    jsonl.write(tmp_path / "rows.jsonl", [empty])
    assert [row for _, row in read_rows([tmp_path / "rows.jsonl"], "mul-xent")] == [empty]
    assert [row for _, row in read_rows([tmp_path / "rows.jsonl"], "cls-xent")] == [empty]


def test_a_pair_is_two_labelled_solutions_for_cross_entropy(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "rows.jsonl", [PAIR])
    found: list[Any] = [row for _, row in read_rows([tmp_path / "rows.jsonl"], "cls-xent")]
    assert [(row.solution, row.correct) for row in found] == [("#### 2", True), ("#### 3", False)]


@pytest.mark.parametrize(
    ("thoughts", "before", "learned"),
    [
        ("learn", "", "1, 2</think>#### 2<eos>"),
        ("read", "1, 2</think>", "#### 2<eos>"),
        ("drop", "", "#### 2<eos>"),
    ],
)
def test_thoughts_are_learned_read_or_dropped(
    thoughts: Any, before: str, learned: str, character_tokenizer: Callable[..., Any]
) -> None:
    tokenizer = character_tokenizer(["</think>"])
    row = Example(problem_id="a", problem="1 + 1?", solution="1, 2</think>#### 2")
    wording = prompts.Wording("plain", thoughts=thoughts)
    (item,) = Encoder(tokenizer, wording, 512).items([("a", row)], "mle")
    ((shown_before, target),) = texts(item, tokenizer).values()
    assert shown_before == f"Problem: 1 + 1?\nSolution:\n{before}"
    assert target == learned
    assert item.target_tokens == len(item.readings[0].tokens)


@pytest.mark.parametrize(
    ("solution", "thoughts", "before", "learned", "counts"),
    [
        ("<think>\n1, 2\n</think>2", "learn", "<think>\n", "1, 2\n</think>2<eos>", (0, 0)),
        ("<think>\n1, 2\n</think>2", "read", "<think>\n1, 2\n</think>", "2<eos>", (0, 0)),
        ("<think>\n1, 2\n</think>2", "drop", "<think>\n", "\n</think>\n\n2<eos>", (1, 0)),
        ("1 + 1 = 2", "learn", "<think>\n", "\n</think>\n\n1 + 1 = 2<eos>", (1, 0)),
        ("<think>1</think>2", "learn", "<think></think>", "<think>1</think>2<eos>", (0, 1)),
    ],
)
def test_a_thought_that_the_prompt_opens_or_ends(
    solution: str,
    thoughts: Any,
    before: str,
    learned: str,
    counts: tuple[int, int],
    character_tokenizer: Callable[..., Any],
) -> None:
    tokenizer = character_tokenizer(["</think>"])
    start = before.removesuffix("1, 2\n</think>")
    tokenizer.chat_template = (
        "{{ messages[0]['content'] }}{% if add_generation_prompt %}" + start + "{% endif %}"
    )
    wording = prompts.Wording("chat", instruction="", thoughts=thoughts)
    encoder = Encoder(tokenizer, wording, 512)
    row = Example(problem_id="a", problem="1 + 1?", solution=solution)
    (item,) = encoder.items([("a", row)], "mle")
    ((shown_before, target),) = texts(item, tokenizer).values()
    assert (shown_before, target) == (f"1 + 1?{before}", learned)
    assert (encoder.unthought, encoder.rethought) == counts


CUT, ENDED = "<think>\n1 + 1 is", "1 + 1 is 2\n</think>\n"
THOUGHTLESS = "so #### 2"


@pytest.mark.parametrize("unanswered", [CUT, ENDED, "#### 2 <think> or"])
@pytest.mark.parametrize(
    ("objective", "right", "wrong", "thoughts", "kept"),
    [
        ("mle", True, None, "learn", False),
        ("mle", True, None, "read", False),
        ("mle", True, None, "drop", False),
        ("ctr", False, True, "learn", False),
        ("mul-margin", True, False, "read", False),
        ("mul-margin", False, True, "read", True),  # a wrong solution is only judged
        ("mul-margin", False, True, "drop", False),
        ("cls-margin", True, True, "learn", True),
        ("cls-margin", False, True, "drop", False),
        ("cls-xent", True, None, "read", True),
        ("cls-xent", True, None, "drop", False),
        ("mul-xent", True, None, "learn", False),
    ],
)
def test_a_solution_that_ends_with_its_thoughts_is_left_out_and_counted(
    objective: Any,
    right: bool,
    wrong: bool | None,
    thoughts: Any,
    kept: bool,
    unanswered: str,
    character_tokenizer: Callable[..., Any],
) -> None:
    first = unanswered if right else THOUGHTLESS
    row: Any
    if wrong is not None:
        other = unanswered if wrong else THOUGHTLESS
        row = Pair(problem_id="a", problem="1?", right=first, wrong=other)
        whole: Any = PAIR
    elif objective == "mle":
        row, whole = Example(problem_id="a", problem="1?", solution=first), EXAMPLE
    else:
        row = Labelled(problem_id="a", problem="1?", solution=first, correct=True)
        whole = LABELLED
    tokenizer = character_tokenizer(["</think>"])
    encoder = Encoder(tokenizer, prompts.Wording("plain", thoughts=thoughts), 512)
    items = encoder.items([("a", row), ("b", whole)], objective)
    assert [item.name for item in items] == (["a", "b"] if kept else ["b"])
    assert (encoder.unanswered, encoder.left_out) == ((0, 0) if kept else (1, 1))
    if not kept:
        with pytest.raises(InputError, match=r"^a: a solution that ends with its thoughts.* 1 of"):
            Encoder(tokenizer, encoder.form, 512).items([("a", row)], objective)
