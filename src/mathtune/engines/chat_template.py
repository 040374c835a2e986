"""Chat templates, rendered by a child process with bounded time and memory. Under prompts.

A template is a program by whoever made the model's folder: jinja's sandbox keeps it from files and
Python, but not from running or growing for ever. The child renders with transformers' own function,
so that the text is what `apply_chat_template` returns.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import IO, Any

SECONDS = 10.0
"""The longest time for one prompt, in seconds; a usual template takes a millisecond."""
START = 120.0
"""The longest time for the child to start, in seconds."""


class TemplateError(ValueError):
    """A template fails, or takes too much time or memory; the sentence says which."""


def rendered(
    conversation: Sequence[Mapping[str, str]],
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
    try:
        found = _child.answer(task)
    except TimeoutError:
        raise TemplateError(f"it did not end within {SECONDS:g} s") from None
    except EOFError:
        raise TemplateError("the process that rendered it died, out of memory?") from None
    if "text" not in found:
        raise TemplateError(found["fault"])
    return str(found["text"])


class _Child:
    """The child process, started for the first prompt, and again after one that killed it.

    A process that is forked from this one starts its own.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._lock = threading.Lock()

    def answer(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Hand over a task and return the answer.

        Raises:
            TimeoutError: no answer came in time. EOFError: the child died.
        """
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            with suppress(OSError):  # the child died: no answer comes
                process.stdin.write(json.dumps(task).encode() + b"\n")
                process.stdin.flush()
            try:
                found: dict[str, Any] = json.loads(self._receive(SECONDS))
            except (TimeoutError, EOFError):
                self.kill()
                raise
            return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            "from mathtune.engines.chat_template import main; main()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._process, self._owner = process, os.getpid()
        self._lines = queue.SimpleQueue()
        assert process.stdout is not None
        threading.Thread(target=_forward, args=(process.stdout, self._lines), daemon=True).start()
        self._receive(START)
        return process

    def _receive(self, seconds: float) -> bytes:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not line:
            raise EOFError
        return line

    def kill(self) -> None:
        """End the child at once."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):  # while the rest was sent
                process.stdin.close()


def _forward(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    """Put the child's lines into a queue; an empty one at its end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


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


def _answer(task: dict[str, Any], render: Any) -> dict[str, str]:
    words = {"strftime_now": date.fromisoformat(task["today"]).strftime, **task["words"]}
    try:
        texts, _ = render(
            conversations=[task["conversation"]],
            chat_template=task["template"],
            add_generation_prompt=task["add_generation_prompt"],
            **words,
        )
    except (Exception, MemoryError) as error:  # a stranger's program may raise anything
        reason, kind = " ".join(str(error).split())[:300], type(error).__name__
        named = kind in ("SecurityError", "MemoryError", "RecursionError") or not reason
        return {"fault": f"{kind}: {reason}".removesuffix(": ") if named else reason}
    return {"text": texts[0]}
