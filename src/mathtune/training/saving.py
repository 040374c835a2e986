"""The folder that a training leaves, written as a trial before the first update, and at the end.
Between fit and stage.

model/       the whole model as transformers writes it, and its tokenizer
             judge.json, for an evaluator: prompt, label tokens, quality, the request for one score
adapter/     the adapters alone, as peft writes them, and the tokenizer
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from mathtune.engines import prompts
from mathtune.engines.token_ids import start_text, token_ids
from mathtune.engines.transformers import generation_settings
from mathtune.errors import InputError, one_line
from mathtune.rows import jsonl
from mathtune.run.fingerprint import write_sums
from mathtune.run.progress import say
from mathtune.training.checkpoint import flush, writing

CARD = "judge.json"
NOT_OF_THE_FOLDER = ("auto_map", "is_local", "local_files_only")
"""What a tokenizer remembers of how it was loaded, and code that the folder does not hold."""
TRIMMED = "without spaces and line breaks at its end"
PROBES = ("It is 4.", "4 + 3 = 7\n#### 7", "\\boxed{7}", "- 1", "$x$", "\n\n7", "<think>7")
"""Solutions by which a card's texts are compared with what the judge reads."""


@dataclass
class ModelFolder:
    """The folder to write, its tokenizer, the token that ends a solution, and the judge's card if
    the model learns to judge.
    """

    path: Path
    tokenizer: Any
    end: int
    card: dict[str, Any] | None = None

    def prepare(self, model: Any) -> None:
        """Let the model's configs name the end token of its training, no code of their own, and
        nothing that transformers refuses to write.

        Our own sampling never reads a generation config's temperature.
        """
        config = model.config.get_text_config()
        config.eos_token_id = _with(getattr(config, "eos_token_id", None), self.end)
        vars(model.config).pop("auto_map", None)
        for name in NOT_OF_THE_FOLDER:
            self.tokenizer.init_kwargs.pop(name, None)
        if (generation := model.generation_config) is None:
            return
        generation.eos_token_id = _with(generation.eos_token_id, self.end)
        try:
            generation.validate(strict=True)
        except ValueError as error:
            reason = one_line(error)
            say(f"  the model's generation_config.json is not valid; corrected ({reason})")
            model.generation_config = generation_settings.only_tokens(vars(generation))

    def try_out(self, model: Any) -> None:
        """Write the whole folder once and remove it, so that saving cannot fail after the training.

        Raises:
            InputError: the model, or its tokenizer, cannot be saved.
        """
        try:
            with self._partial() as partial:
                self._fill(partial, model, None)
        except (OSError, InputError):
            raise
        except Exception as error:
            reason = one_line(error)
            raise InputError(
                f"model: a trial before the first update shows that it cannot be saved ({reason}); "
                "expected a model that transformers can write."
            ) from error

    def write(self, model: Any, weights: dict[str, Any] | None) -> None:
        """Write the folder under another name first; once it has its own name, it is complete."""
        shutil.rmtree(self.path, ignore_errors=True)
        with self._partial() as partial:
            self._fill(partial, model, weights)
            write_sums(partial)
            flush(partial)
            partial.rename(self.path)

    def _fill(self, folder: Path, model: Any, weights: dict[str, Any] | None) -> None:
        model.save_pretrained(folder, state_dict=weights)
        self.tokenizer.save_pretrained(folder)
        if self.card is not None:
            jsonl.write_json(folder / CARD, self.card)

    @contextmanager
    def _partial(self) -> Iterator[Path]:
        """Yield the folder to fill; remove it unless it was renamed."""
        partial = self.path.with_name(self.path.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with writing(partial):
                yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def too_large(weights: Iterable[tuple[str, torch.Tensor]], dtype: torch.dtype) -> list[str]:
    """Return the names of the weights that are finite, but not in this precision.

    Example:
        >>> weights = {"norm": torch.tensor([2.0, 70_000.0]), "bias": torch.tensor([65_504.0])}
        >>> too_large(weights.items(), torch.float16), too_large(weights.items(), torch.bfloat16)
        (['norm'], [])
    """
    return [
        name for name, weight in weights if (weight.isfinite() & ~weight.to(dtype).isfinite()).any()
    ]


def judge_card(tokenizer: Any, form: prompts.AnyForm) -> dict[str, Any]:
    """Return what another program needs to score a candidate; `MODEL` is the server's model name.

    `auc_within_problems` is filled after the training, from the validation examples; None if there
    are none, or if none of their problems has both a right and a wrong solution.
    """
    text = prompts.evaluator("{problem}", "{solution}", form=form, tokenizer=tokenizer)
    start, *both = prompts.labelled(text, form=form, tokenizer=tokenizer)
    ids = [found[start:] for found in both]
    halves = _halves(text, form, tokenizer)
    request = {
        "model": "MODEL",
        "query": halves[0],
        "items": [halves[1]],
        "label_token_ids": [one[0] for one in ids],
        "apply_softmax": True,
        "add_special_tokens": False,
    }
    whole = _whole(text, form, tokenizer)
    return {
        "prompt": text,
        "solution": TRIMMED if _trims(form, tokenizer) else "whole",
        "labels": [prompts.CORRECT, prompts.INCORRECT],
        "label_token_ids": ids,
        "score": "p(correct) / (p(correct) + p(incorrect)) as the next token after the prompt",
        "auc_within_problems": None,
        "request": {"POST": "/generative_scoring (vLLM) or /v1/score (SGLang)", "body": request}
        if all(halves) and all(len(one) == 1 for one in ids)
        else None,
        "fallback": whole
        and {
            "POST": "/v1/completions",
            "body": {
                "model": "MODEL",
                **whole,
                "max_tokens": 1,
                "temperature": 1,  # some servers give log p after the temperature
                "logprobs": 20,
            },
        },
    }


def _halves(text: str, form: prompts.AnyForm, tokenizer: Any) -> tuple[str, str]:
    """Cut the judge's prompt before its solution. Both halves, tokenised each by itself, give the
    judge's own tokens; two empty texts if no cut does.

    A byte-level tokenizer gives a space to the word behind it. One converted from sentencepiece
    puts a space before a text, though not behind the start token.
    """
    for whole, space in product(_starting(text, tokenizer), (" ", "")):
        before, after = whole.split("{solution}")
        halves = before.rstrip(" "), f"{space}{{solution}}{after}"
        if all(
            [one for half in halves for one in token_ids(_filled(half, solution), tokenizer)]
            == _own(text, solution, form, tokenizer)
            for solution in PROBES
        ):
            return halves
    return "", ""


def _whole(text: str, form: prompts.AnyForm, tokenizer: Any) -> dict[str, Any] | None:
    """Return the judge's prompt as fields of a request to a server that tokenises it and, unless
    told otherwise, puts the start token before it; None: no text gives the judge's own tokens.
    """
    without, *others = _starting(text, tokenizer)
    for whole, added in ((without, True), *((other, False) for other in (without, *others))):
        if all(
            token_ids(_filled(whole, solution), tokenizer, special_tokens=added)
            == _own(text, solution, form, tokenizer)
            for solution in PROBES
        ):
            return {"prompt": whole} | ({} if added else {"add_special_tokens": False})
    return None


def _starting(text: str, tokenizer: Any) -> list[str]:
    """Return a prompt without the start token, with it, and with a space behind it."""
    begin = start_text(tokenizer)
    bare = text.removeprefix(begin)
    return [bare, begin + bare, f"{begin} {bare}"]


def _own(text: str, solution: str, form: prompts.AnyForm, tokenizer: Any) -> list[int]:
    """Return the tokens that the judge reads."""
    return prompts.encode(_filled(text, solution), form=form, tokenizer=tokenizer)


def _trims(form: prompts.AnyForm, tokenizer: Any) -> bool:
    """Return whether the chat template removes spaces at the end of a message (Gemma, Llama 3)."""
    bare, spaced = (
        prompts.evaluator("1 + 1", solution, form=form, tokenizer=tokenizer)
        for solution in ("2", "2 \n")
    )
    return bare == spaced


def _filled(text: str, solution: str) -> str:
    return text.replace("{problem}", "How many?").replace("{solution}", solution)


def _with(ends: int | list[int] | None, end: int) -> int | list[int]:
    """Return a config's end tokens with one more, in the form of a config.

    Example:
        >>> _with(1, 106), _with(None, 2), _with([1, 106], 106)
        ([1, 106], 2, [1, 106])
    """
    before = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if end in before:
        return before if isinstance(ends, list) else end
    return [*before, end] if before else end
