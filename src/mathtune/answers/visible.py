r"""Cut a sampled text down to the part that can hold its answer. Before `extract`.

Three things are not part of an answer: a reasoning model's thoughts before its reply, the special
tokens of chat templates, and a new question that a base model makes up after its solution.
"""

from __future__ import annotations

import re

_NAMES = r"(?:\w+:)?(?:think|thinking|thought|thoughts|reasoning|analysis)(?::\w+)?"
_OPENS = re.compile(
    rf"<(?:{_NAMES})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>"
    r"|<\|im_start\|>think\b|<\|channel\|>\s*(?:analysis|commentary)|<\|channel>\s*thought"
    r"|<\|inner_prefix\|>|<\|think\|>|<\|open\|>think<\|sep\|>"
    r"|<\|start\|>assistant to=self<\|message\|>"
    r"|<\|begin_assistant\|>\s*Here are my reasoning steps:",
    re.I,
)
_CLOSES = re.compile(
    rf"</(?:{_NAMES})\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<channel\|>"
    r"|<\|channel\|>\s*final(?:\s*<\|constrain\|>\s*\w+)?\s*<\|message\|>|<\|inner_suffix\|>"
    r"|<\|end\|><\|begin\|>assistant<\|content\|>|<\|think\|><\|end\|><\|begin\|>assistant"
    r"|\[BEGIN FINAL RESPONSE\]|<\|im_start\|>answer\b|<\|open\|>response<\|sep\|>"
    r"|<\|close\|>think<\|sep\|>(?:<\|open\|>response<\|sep\|>)?"
    r"|<\|eom\|><\|start\|>assistant to=user<\|message\|>",
    re.I,
)
# Each alternative above begins with a sign that texts rarely have, so that a search is quick.
_BEGINS = re.compile(rf"{_OPENS.pattern}| to=self<\|message\|>", re.I)
# The same channels if the decoder dropped the special tokens.
_BARE_CHANNELS = re.compile(r"\A(?:assistant)?analysis(?=[A-Z\s\"'(\\$0-9])")
_BARE_FINAL = re.compile(r"assistant\s*final(?=[^a-z]|\Z)")

_TOKEN = (
    r"<\|[A-Za-z_][\w ]{0,40}\|>|<｜[^｜\n]{1,40}｜>|</?s>|<(?:eos|bos|pad|unk|EOD|eod)>"  # noqa: S105 (of chat formats)
    r"|<(?:end|start)_of_turn>|\[/?INST\]|<turn\|>|<unused\d+>|<\|?endoftext\|?>"
    r"|to=user<\|message\|>"
)
_LEADING = re.compile(
    rf"\A(?:\s*(?:{_TOKEN}))+(?:\s*(?:assistant|model)\b\s*)?(?:\s*(?:{_TOKEN}))*", re.I
)
_TURNS = re.compile(rf"(?:\s*(?:{_TOKEN})\s*(?:assistant)?)+\s*\Z", re.I)
_ENDS_TURN = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end_of_text|endoftext|end|return|eot|user|END_OF_TURN_TOKEN"
    r"|end_of_turn|end_of_role|im_start|start_header_id|EOT|endofprompt|eos|assistant_end|close"
    r"|eom|end_of_msg|END_RESPONSE|END_TEXT|role_end|message_sep)\|>"
    r"|</s>|<(?:eos|EOD|eod|pad)>|<(?:end|start)_of_turn>|\[/?INST\]|<turn\|>|<seed:eos>"
    r"|<end_of_sentence>|\[e~\[|\[END FINAL RESPONSE\]"
    r"|<｜(?:end▁of▁sentence|User|Assistant)｜>"
)
_PROMPT = re.compile(
    r"\A\s*(?:(?:<\|begin_of_text\|>|<s>|<bos>|<｜begin▁of▁sentence｜>)\s*)*"
    r"(?:<\|im_start\|>(?:system|user)\b|<\|start_header_id\|>(?:system|user)<\|end_header_id\|>"
    r"|<start_of_turn>user\b|<\|(?:system|user)\|>|<｜User｜>|\[INST\])"
)
_REPLY = re.compile(
    r"<\|im_start\|>assistant\b|<\|start_header_id\|>assistant<\|end_header_id\|>"
    r"|<start_of_turn>model\b|<\|assistant\|>|<｜Assistant｜>|\[/INST\]"
)
_NEW_QUESTION = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*\*|__)?(?:(?:new|next|another)[ \t]+)?"
    r"(?:question|problem|exercise|q|human|user|instruction)"
    r"([ \t]*#?\d{1,4})?[ \t]*(?:\*\*|__)?[ \t]*:",
    re.I | re.M,
)


def visible(text: str) -> str:
    r"""Return the text after the last thought, up to the end of the turn or to a new question.

    Empty if there is none: a thought that is never closed holds no answer. A text without any of
    these marks comes back as it is.

    >>> visible("<think>5? No.</think>\n\nThe answer is 7.<|im_end|>").strip()
    'The answer is 7.'
    >>> visible("<think>\nLet me try 5"), visible("It is 7.\n\nQuestion: And 8?").strip()
    ('', 'It is 7.')
    >>> visible("<|im_start|>user\n3 + 4?<|im_end|>\n<|im_start|>assistant\n7<|im_end|>").strip()
    '7'
    """
    return _first_solution(_turn(after_thoughts(_without_prompt(text))))


def after_thoughts(text: str) -> str:
    """Return the text after the last thought, up to a thought that never ends; without thoughts,
    the text.

    >>> after_thoughts("[THINK]2, 4.[/THINK]It is 4."), after_thoughts("<think>2, 4")
    ('It is 4.', '')
    """
    start, end = _answer(text)
    return text[start:end]


def unanswered(text: str) -> bool:
    """Return whether a text ends with its thoughts, finished or cut off, so that no solution
    follows them.

    >>> unanswered("<think>2, 4"), unanswered("2, 4.</think>"), unanswered("<think>2</think>4")
    (True, True, False)
    """
    start, end = _answer(text)
    return end < len(text) or (start > 0 and not _turn(text[start:]).strip())


def opening(prompt: str) -> str:
    """Return the end of a prompt that opens a thought, its mark and the spaces after it; '' if it
    opens none.

    >>> opening("<|Assistant|><think>\\n"), opening("<think>\\n\\n</think>\\n\\n")
    ('<think>\\n', '')
    """
    marks = list(_OPENS.finditer(prompt))
    return prompt[marks[-1].start() :] if marks and not prompt[marks[-1].end() :].strip() else ""


def closing(mark: str) -> str:
    """Return the mark that ends the thoughts that `mark` opens.

    >>> closing("<think>"), closing("[THINK]"), closing("<|START_THINKING|>")
    ('</think>', '[/THINK]', '<|END_THINKING|>')
    """
    final = next((end for start, end in _FINAL.items() if mark.startswith(start)), "")
    words = mark.replace("begin", "end").replace("START", "END").replace("prefix", "suffix")
    return final or (words if words != mark else f"{mark[0]}/{mark[1:]}")


_FINAL = {
    "<|channel>": "<channel|>",
    "<|channel|>": "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|think|>": "<|end|><|begin|>assistant<|content|>",
    "<|open|>": "<|close|>think<|sep|><|open|>response<|sep|>",
    " to=self": "<|eom|><|start|>assistant to=user<|message|>",
    "<|begin_assistant|>": "[BEGIN FINAL RESPONSE]",
    "<|im_start|>": "<|im_start|>answer",
}
"""The ends of thoughts that are not their beginning's words: Gemma 4's, gpt-oss's, Solar's, Kimi's,
Muse's, Apriel's, s1's.
"""


def marks_thoughts(text: str) -> bool:
    """Return whether a text is a mark that opens or closes thoughts."""
    return bool(_OPENS.fullmatch(text) or _CLOSES.fullmatch(text))


def closes_thoughts(text: str) -> bool:
    """Return whether a text is a mark that closes thoughts."""
    return bool(_CLOSES.fullmatch(text))


def begins_thought(text: str) -> bool:
    """Return whether a text begins with a mark that opens thoughts."""
    return bool(_BEGINS.match(text))


def thoughts_start(text: str) -> int:
    """Return the position of the last mark that closes thoughts; 0 if there is none.

    >>> thoughts_start("2, 4.</think>It is 4.")
    5
    """
    return max((mark.start() for mark in _closes(text)), default=0)


def final_thought(prompt: str) -> int:
    """Return where the thought begins with which a prompt ends, opened or empty; its length if it
    ends with none.

    >>> final_thought("<s><think>\\n"), final_thought("<s><think></think>"), final_thought("<s>")
    (3, 3, 3)
    """
    started = opening(prompt)
    if started:
        return len(prompt) - len(started)
    if thoughts_end(prompt) != len(prompt.rstrip()):
        return len(prompt)
    closed = prompt[: thoughts_start(prompt)]
    return len(closed) - len(opening(closed))


def thoughts_end(text: str) -> int:
    """Return the position behind the last mark that closes thoughts; 0 if there is none.

    >>> thoughts_end("[THINK]2, 4.[/THINK]It is 4."), thoughts_end("It is 4.")
    (20, 0)
    """
    return max((mark.end() for mark in _closes(text)), default=0)


def _closes(text: str) -> list[re.Match[str]]:
    """Return the marks that close thoughts, also without the special tokens of channels."""
    finals = [*_BARE_FINAL.finditer(text)] if _BARE_CHANNELS.match(text) else []
    return finals or [*_CLOSES.finditer(text)]


def ends_thoughts(prompt: str) -> bool:
    """Return whether a prompt ends with the end of thoughts.

    >>> ends_thoughts("<think>\\n</think>\\n\\n"), ends_thoughts("<think>\\n")
    (True, False)
    """
    return thoughts_end(prompt) == len(prompt.rstrip()) > 0


def parted(text: str) -> tuple[str, str, str, str] | None:
    """Return the mark with which a text begins, its thoughts up to the last mark that closes them,
    that mark and the answer; None if it has no thoughts.

    >>> parted("<think>2, 4.</think>4"), parted("2.[/THINK]4"), parted("4")
    (('<think>', '2, 4.', '</think>', '4'), ('', '2.', '[/THINK]', '4'), None)
    """
    start, end, bare = thoughts_start(text), thoughts_end(text), text.lstrip()
    if not start < end:
        return None
    opened = _BEGINS.match(bare) or _BARE_CHANNELS.match(bare)
    mark = opened[0] if opened else ""
    return mark, text[:start].lstrip().removeprefix(mark), text[start:end], text[end:].lstrip()


def thoughts_and_answer(text: str) -> tuple[str, str]:
    """Return a text's thoughts without their marks, and its answer: empty, if they are not closed.

    >>> thoughts_and_answer("<think>\\n2, 4.\\n</think>\\n\\n4"), thoughts_and_answer("<think>2,")
    (('2, 4.', '4'), ('2,', ''))
    """
    parts, bare = parted(text), text.lstrip()
    begun = _BEGINS.match(bare)
    if parts is None and begun is None:
        return "", text
    thoughts = parts[1] if parts else bare[begun.end() :] if begun else ""
    return _TURNS.sub("", _LEADING.sub("", thoughts)).strip(), after_thoughts(text).lstrip()


def _without_prompt(text: str) -> str:
    """Return the last reply in a text that begins with a rendered prompt; else the text."""
    if ("<" not in text and "[" not in text) or not _PROMPT.match(text):
        return text
    ends = [reply.end() for reply in _REPLY.finditer(text)]
    return text[ends[-1] :] if ends else text


def _answer(text: str) -> tuple[int, int]:
    """Return where the answer begins behind the last thought, and where a thought that is not
    closed ends it.
    """
    bare = _BARE_CHANNELS.match(text)
    if not bare and not any(mark in text for mark in ("<", "[", "◁")):
        return 0, len(text)
    end = thoughts_end(text)
    if bare and not end and text[bare.end() : bare.end() + 1].isupper():
        return 0, 0
    opened = _OPENS.search(text, end) if end else _BEGINS.match(text) or _OPENS.search(text)
    return end, opened.start() if opened else len(text)


def _turn(text: str) -> str:
    """Return one turn of a chat, without the tokens that open it and anything after its end."""
    if "<" not in text and "[" not in text:
        return text
    leading = _LEADING.match(text)
    if leading:
        text = text[leading.end() :]
    ends = _ENDS_TURN.search(text)
    if ends:
        text = text[: ends.start()]
    return text


def _first_solution(text: str) -> str:
    """Return the text before a new question, if that text looks like a solution.

    A solution may begin by repeating its own problem: text without a digit or formula is none.
    It may also go through "Question 1:", "Question 2:": a number counts only after an answer.
    """
    if ":" not in text:
        return text
    for match in _NEW_QUESTION.finditer(text):
        before = text[: match.start()]
        needed = _ANSWERED if match.group(1) else _VALUE
        if before.endswith("\n") and needed.search(_STATEMENT.sub("", before)):
            return before
    return text


_VALUE = re.compile(r"[0-9$\\]")
_ANSWERED = re.compile(r"\\boxed|####|answer(?:\s+is|s?:)", re.I)
_STATEMENT = re.compile(
    r"\A\s*(?:#{1,6}[ \t]*|\*\*|__)?(?:question|problem|exercise|q)\b[^\n]*(?:\n|\Z)", re.I
)
