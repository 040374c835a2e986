"""Collected rows in the forms that other trainers read. Between collect and those programs.

trl            paths: prompt, completion
kto            labelled: prompt, completion, label (TRL's KTOTrainer)
dpo            pairs: prompt, chosen, rejected (TRL's DPOTrainer and RewardTrainer)
verl           paths: one row per problem, its prompt as a chat and its gold, for reinforcement
llama-factory  paths: messages; pairs: conversations with chosen and rejected, as ShareGPT has them;
               with the dataset_info.json that names the file and its columns
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from mathtune.rows import jsonl
from mathtune.rows.records import Example, Labelled, Pair, Problem

Format = Literal["mathtune", "trl", "kto", "dpo", "verl", "llama-factory"]
OF = {
    "trl": ("paths",),
    "kto": ("labelled",),
    "dpo": ("pairs",),
    "verl": ("paths",),
    "llama-factory": ("paths", "pairs"),
}
"""The kinds of rows that each form holds."""
INFO = "dataset_info.json"
"""The file in which LLaMA-Factory looks up its data sets."""
PromptOf = Callable[[str], str]
"""The prompt of a problem."""


class Completion(msgspec.Struct, frozen=True):
    """A prompt, and the text that the model should write."""

    prompt: str
    completion: str


class LabelledCompletion(msgspec.Struct, frozen=True):
    """A completion, and whether it is a good one."""

    prompt: str
    completion: str
    label: bool


class Preference(msgspec.Struct, frozen=True):
    """Two completions of a prompt."""

    prompt: str
    chosen: str
    rejected: str


class Chat(msgspec.Struct, frozen=True):
    """A conversation to learn from."""

    messages: list[dict[str, str]]


class ChatPreference(msgspec.Struct, frozen=True):
    """A conversation, and two replies."""

    conversations: list[dict[str, str]]
    chosen: dict[str, str]
    rejected: dict[str, str]


class Verifiable(msgspec.Struct, frozen=True):
    """A problem with its gold, as verl's data sets have it."""

    data_source: str
    prompt: list[dict[str, str]]
    ability: str
    reward_model: dict[str, str]
    extra_info: dict[str, Any]


def export(
    form: Format, rows: Path, to: Path, problems: Mapping[str, Problem], *, prompt_of: PromptOf
) -> None:
    """Write collected rows in another form; `prompt_of` makes the prompts if it has no chat."""
    jsonl.write(to, _EXPORTS[form](rows, problems, prompt_of))
    if form == "llama-factory":
        jsonl.write_json(to.with_name(INFO), {"mathtune": _info(to.name, pairs=_are_pairs(rows))})


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _trl(rows: Path, _: Mapping[str, Problem], prompt_of: PromptOf) -> Iterator[Completion]:
    for row in jsonl.read(rows, Example):
        yield Completion(prompt_of(row.problem), row.solution)


def _kto(rows: Path, _: Mapping[str, Problem], prompt_of: PromptOf) -> Iterator[LabelledCompletion]:
    for row in jsonl.read(rows, Labelled):
        yield LabelledCompletion(prompt_of(row.problem), row.solution, row.correct)


def _dpo(rows: Path, _: Mapping[str, Problem], prompt_of: PromptOf) -> Iterator[Preference]:
    for row in jsonl.read(rows, Pair):
        yield Preference(prompt_of(row.problem), row.right, row.wrong)


def _verl(rows: Path, problems: Mapping[str, Problem], _: PromptOf) -> Iterator[Verifiable]:
    kept = dict.fromkeys(row.problem_id for row in jsonl.read(rows, Example))
    for index, name in enumerate(kept):
        problem = problems[name]
        yield Verifiable(
            data_source="mathtune",
            prompt=[_user(problem.problem)],
            ability="math",
            reward_model={"style": "rule", "ground_truth": problem.answer},
            extra_info={"index": index, "id": name},
        )


def _llama_factory(
    rows: Path, _: Mapping[str, Problem], __: PromptOf
) -> Iterator[Chat | ChatPreference]:
    if _are_pairs(rows):
        for pair in jsonl.read(rows, Pair):
            asked = [{"from": "human", "value": pair.problem}]
            right, wrong = ({"from": "gpt", "value": text} for text in (pair.right, pair.wrong))
            yield ChatPreference(asked, right, wrong)
        return
    for row in jsonl.read(rows, Example):
        yield Chat([_user(row.problem), _assistant(row.solution)])


def _are_pairs(rows: Path) -> bool:
    return rows.name.startswith("pairs")


def _info(file: str, *, pairs: bool) -> dict[str, Any]:
    """Return a data set's entry: the file, the form, and the names of its columns and speakers."""
    common = {"file_name": file, "formatting": "sharegpt"}
    if pairs:
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        return {**common, "ranking": True, "columns": columns}
    tags = {
        "role_tag": "role", "content_tag": "content",
        "user_tag": "user", "assistant_tag": "assistant",
    }  # fmt: skip
    return {**common, "columns": {"messages": "messages"}, "tags": tags}


_Export = Callable[[Path, Mapping[str, Problem], PromptOf], Iterable[msgspec.Struct]]
_EXPORTS: dict[str, _Export] = {
    "trl": _trl,
    "kto": _kto,
    "dpo": _dpo,
    "verl": _verl,
    "llama-factory": _llama_factory,
}
