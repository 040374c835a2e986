"""Chat templates, rendered by a child process with bounded time and memory. Under prompts.

A template is a program by whoever made the model's folder: jinja's sandbox keeps it from files and
Python, but not from running or growing for ever. The child renders with transformers' own function,
so that the text is what `apply_chat_template` returns.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from mathtune.answers.workers.line_process import LineProcess
from mathtune.errors import InputError, one_line

SECONDS = 10.0
"""The longest time for one prompt, in seconds; a usual template takes a millisecond."""
START = 120.0
"""The longest time for the child to start, in seconds."""


TODAY = date(2024, 7, 26)
"""The date for templates that print today's: with the real one, prompts would change every day."""
TOLD = ("system", "user")
"""The messages that a template must show; it may shorten what the model itself said before."""

AS_CODE = "'type': 'text'"
"""The text that a template of texts prints when it is given contents in parts."""

OURS = {"messages", "tools", "documents", "add_generation_prompt"}
"""The names in templates that are not variables to set."""

Conversation = Sequence[Mapping[str, Any]]
"""Turns: a role and a content each."""


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that renders a conversation."""

    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str: ...


@runtime_checkable
class TemplateTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that tells its chat template."""

    special_tokens_map: dict[str, Any]

    def get_chat_template(self) -> str: ...


class TemplateError(ValueError):
    """A template fails, or takes too much time or memory; the sentence says which."""


class UnansweredError(TemplateError):
    """A template takes too much time or memory; on a busy machine it may fare better later."""


class UnrenderedError(InputError):
    """The sentence about a template that takes too much time or memory."""


def filled(
    conversation: Conversation,
    variables: Mapping[str, Any],
    tokenizer: ChatTokenizer,
    *,
    add_generation_prompt: bool,
) -> str:
    """Render a conversation of texts with the tokenizer's template.

    A template that expects contents in parts, as that of a model that also sees images, gets them.

    Raises:
        InputError: the template fails, refuses the conversation, or leaves out a message.
    """
    renders = isinstance(tokenizer, TemplateTokenizer)
    if renders and tokenizer.chat_template and variables:
        _refuse_unread(variables, tokenizer)
    fault = lacking = ""
    kind = InputError
    in_parts = [
        {**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in conversation
    ]
    for turns in (conversation, in_parts):
        try:
            text = _by(tokenizer, turns, variables, add_generation_prompt=add_generation_prompt)
        except ValueError as error:
            fault = fault or " ".join(str(error).split()) or type(error).__name__
            kind = UnrenderedError if isinstance(error, UnansweredError) else kind
            continue
        template = tokenizer.chat_template or ""
        as_code = text.count(AS_CODE) > sum(turn["content"].count(AS_CODE) for turn in conversation)
        left_out = [
            turn["role"] for turn in conversation if as_code or not _shows(text, turn, template)
        ]
        if not left_out or not renders:  # a stand-in leaves the chat to a server
            return text
        lacking = lacking or left_out[0]
    name = f"model {getattr(tokenizer, 'name_or_path', '')!r}: its chat template"
    if lacking:
        raise InputError(
            f"{name} leaves out the message of the {lacking}; expected another template, or "
            f"{'no system' if lacking == 'system' else 'prompt=plain'}."
        )
    roles = " and ".join(dict.fromkeys(turn["role"] for turn in conversation))
    raise kind(
        f"{name} cannot render a conversation of {roles} ({fault[:300]}); expected other settings "
        "of system and template, or prompt=plain."
    )


def _refuse_unread(variables: Mapping[str, Any], tokenizer: ChatTokenizer) -> None:
    """Raise InputError for a variable that the template never reads: it would have no effect."""
    assert isinstance(tokenizer, TemplateTokenizer)
    try:
        read = names_read(tokenizer.get_chat_template())
    except ValueError:  # several named templates without a default
        return  # to render one says so
    strange = sorted(set(variables) - read)
    if read and strange:
        others = sorted(read - OURS - set(tokenizer.special_tokens_map))
        raise InputError(
            f"template: found {strange[0]!r}, which the chat template of model "
            f"{getattr(tokenizer, 'name_or_path', '')!r} does not read; "
            f"expected {'one of ' + ', '.join(others) if others else 'no variables'}."
        )


@lru_cache(maxsize=32)
def names_read(template: str) -> frozenset[str]:
    """Return the names of the variables that a template reads; none if it cannot be understood."""
    try:
        return frozenset(_asked({"names of": template})["names"])
    except TemplateError:
        return frozenset()  # to render it says why


def _shows(text: str, turn: Mapping[str, Any], template: str) -> bool:
    """Return whether a rendered text holds a message, apart from its spaces, since Falcon's
    template leaves out empty lines, and from switches that the template names, such as '/no_think'.
    """

    def kept(switch: re.Match[str]) -> str:
        named = f"'{switch[0]}'" in template or f'"{switch[0]}"' in template
        return "" if named else switch[0]

    content, rendered = ("".join(one.split()) for one in (turn["content"], text))
    if turn["role"] not in TOLD or content in rendered:
        return True
    return "".join(re.sub(r"/\w+", kept, turn["content"]).split()) in rendered


def _by(
    tokenizer: ChatTokenizer,
    conversation: Conversation,
    variables: Mapping[str, Any],
    *,
    add_generation_prompt: bool,
) -> str:
    """Return the text that the tokenizer's template makes; ValueError if it fails."""
    if isinstance(tokenizer, TemplateTokenizer) and tokenizer.chat_template:
        return rendered(
            conversation,
            template=tokenizer.get_chat_template(),
            words={**tokenizer.special_tokens_map, **variables},
            today=TODAY,
            add_generation_prompt=add_generation_prompt,
        )
    return tokenizer.apply_chat_template(
        [dict(turn) for turn in conversation],
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **variables,
    )


def rendered(
    conversation: Conversation,
    *,
    template: str,
    words: Mapping[str, Any],
    today: date,
    add_generation_prompt: bool = True,
) -> str:
    """Return the text that a template makes of a conversation.

    `words` are the variables of templates: the tokenizer's special tokens, and settings. `today` is
    the date that a template sees.

    Raises:
        TemplateError: the template fails, or takes too much time or memory.
    """
    task = {
        "conversation": list(conversation),
        "template": template,
        "words": dict(words),
        "today": today.isoformat(),
        "add_generation_prompt": add_generation_prompt,
    }
    return str(_asked(task)["text"])


def _asked(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the child's answer.

    Raises:
        TemplateError: the template fails, or takes too much time or memory.
    """
    try:
        found = _child.answer(task)
    except TimeoutError:
        raise UnansweredError(f"it did not end within {SECONDS:g} s") from None
    except EOFError:
        raise UnansweredError("the process that rendered it died, out of memory?") from None
    if "fault" in found:
        raise TemplateError(found["fault"])
    return found


class _Child:
    """The child process, started for the first prompt, and again after one that killed it.

    A process that is forked from this one starts its own.
    """

    def __init__(self) -> None:
        self._process: LineProcess | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def answer(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Hand over a task and return the answer.

        Raises:
            TimeoutError: no answer came in time. EOFError: the child died.
        """
        with self._lock:
            process = self._started()
            try:
                process.ask(task)
                found: dict[str, Any] = json.loads(_line(process, SECONDS))
            except BaseException:  # Ctrl-C too: its answer would be taken for the next task's
                self.kill()
                raise
            return found

    def _started(self) -> LineProcess:
        if self._process is None or self._owner != os.getpid():
            program = "from mathtune.engines.chat_template import main; main()"
            self._process, self._owner = LineProcess(program), os.getpid()
            _line(self._process, START)
        return self._process

    def kill(self) -> None:
        """End the child at once."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.end()


def _line(process: LineProcess, seconds: float) -> bytes:
    line = process.receive(seconds)
    if line is None:
        raise TimeoutError
    if not line:
        raise EOFError
    return line


_child = _Child()
atexit.register(_child.kill)


def main() -> None:
    """Render tasks from standard input until it closes, in the child."""
    from mathtune.answers.workers.worker import end_with_parent, limit_memory

    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    results, sys.stdout = sys.stdout.buffer, sys.stderr
    limit_memory()
    from transformers.utils.chat_template_utils import render_jinja_template

    results.write(b"ready\n")
    results.flush()
    for line in sys.stdin.buffer:
        results.write(json.dumps(_answer(json.loads(line), render_jinja_template)).encode() + b"\n")
        results.flush()


def _answer(task: dict[str, Any], render: Any) -> dict[str, Any]:
    try:
        if "names of" in task:
            return {"names": sorted(_names_in(task["names of"]))}
        words = {"strftime_now": date.fromisoformat(task["today"]).strftime, **task["words"]}
        texts, _ = render(
            conversations=[task["conversation"]],
            chat_template=task["template"],
            add_generation_prompt=task["add_generation_prompt"],
            **words,
        )
    except (Exception, MemoryError) as error:  # a stranger's program may raise anything
        reason, kind = one_line(error), type(error).__name__
        named = kind in ("SecurityError", "MemoryError", "RecursionError") or not reason
        return {"fault": f"{kind}: {reason}".removesuffix(": ") if named else reason}
    return {"text": texts[0]}


def _names_in(template: str) -> set[str]:
    """Return the names that a template reads, without those that it sets itself and never asks for:
    the variable of a loop, read behind it, is none of the caller's.
    """
    from jinja2 import meta, nodes
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment = _compile_jinja_template("").environment  # with the tags of transformers
    tree = environment.parse(template)
    stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    asked = [test.node for test in tree.find_all(nodes.Test) if "defined" in test.name]
    asked += [one.node for one in tree.find_all(nodes.Filter) if one.name in ("default", "d")]
    stored -= {node.name for node in asked if isinstance(node, nodes.Name)}
    return meta.find_undeclared_variables(tree) - stored
