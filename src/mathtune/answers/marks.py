r"""The marks by which a text shows its answer, each with its position. Under `extract`.

A rule is a function from a text to its last `Mark` of one kind, or None. A mark without an answer
(a box that is cut off in the middle) hides the marks before it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mathtune.answers.phrases import last_phrase, prose_value, trim

ANSWER_LIMIT = 10_000
_MAX_MARKS = 50
"""The number of marks of one kind that are read, from the end of the text."""


class Mark(NamedTuple):
    """A marked answer and the start of its mark; `answer` None: a broken mark."""

    start: int
    answer: str | None


# A text that went through JSON twice has two backslashes; some models write `\beginboxed`.
_BOX_TOKEN = re.compile(r"\\{1,4}(?:begin)?(?:boxed|fbox)(?![A-Za-z])|\\.|[{}]", re.DOTALL)
_ANY_BOX = re.compile(r"\\{1,4}(?:begin)?(?:boxed|fbox)(?![A-Za-z])")
_BARE_BOX = re.compile(r"\s*((?:[^${}\n]|\{[^${}\n]*\})+?)\s*(?:\$|\n|\\\)|\\\]|\Z)")
_BARE_TOKEN = re.compile(
    r"\s*(-?[0-9.,]*[0-9]|[A-Za-z]|-?\\[A-Za-z]+(?:\s*(?:\{[^{}]{0,80}\}|[0-9])){0,2})"
)
_BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;&]|[-+*=_~#]{3,}|\\\\|\\[()\[\],;:! ]|\\q?quad"
    r"|\\(?:text|mathrm)\s*\{\s*(?:and|or)\s*\}|\band\b|\bor\b)*"
)
_JOINS = re.compile(r"[,;]|\band\b|\bor\b|[-+*=_~#]{3}|\\\\|\([b-e]\)")
_OR = re.compile(r"\bor\b")
# The parts of a question that a box is for, and the name before a box: `y_2 = `.
_PARTS = re.compile(
    r"(?:[\s$.,;]|\\(?:text|mathrm)\s*\{|\}|\bfor\b|\bparts?\b|\(?\b[a-e]\)|\band\b|\bor\b)*"
)
_THINGS = re.compile(  # `\boxed{3} papers and \boxed{4} bins`
    r"[\s$]*(?:(?!(?:is|are|was|which|that|so|but|then|not|gives?|equals?)\b)[a-z]{2,15}\s+){1,2}"
    r"(?:and|or)[\s$]*"
)
_BESIDE = re.compile(r"(?:[ $]|\\[,;:! ]|\\q?quad(?![a-z]))*")
_NAME = re.compile(r"(?<![\w\\^_{])([A-Za-z](?:_(?:\w|\{\w+\}))?)\s*&?\s*=\s*&?\s*\$?\s*$")


class _Box(NamedTuple):
    start: int
    end: int
    content: str


def boxed(text: str) -> Mark | None:
    r"""Find the last outermost `\boxed{}` or `\fbox{}`; boxes joined by commas are one list.

    With names before them, `x=\boxed{2}, y=\boxed{3}`, they are a list of equations.
    """
    if "boxed" not in text and "fbox" not in text:
        return None
    first_box = _ANY_BOX.search(text)
    if first_box is None:
        return None
    boxes, open_at = _boxes(text, first_box.start())
    if open_at is not None and not any(box.start > open_at for box in boxes):
        return Mark(open_at, None)
    if not boxes:
        return None
    names = [_NAME.search(text, max(0, box.start - 20), box.start) for box in boxes]
    first = len(boxes) - 1
    last = boxes[first]
    answer = last.content
    while first and (names[first - 1] is None) == (names[first] is None):
        box, name = boxes[first - 1], names[first - 1]
        ends = names[first]
        joint = _joint(text[box.end : ends.start() if ends else boxes[first].start])
        if not joint:
            break
        if ends and first == len(boxes) - 1:
            answer = f"{ends[1]} = {answer}"
        content = f"{name[1]} = {box.content}" if name else box.content
        answer = answer if content == answer else f"{content}{joint}{answer}"
        first -= 1
    return Mark(boxes[first].start, answer[:ANSWER_LIMIT])


def without_boxes(text: str) -> str:
    """Return the text around the boxes."""
    found = _ANY_BOX.search(text)
    boxes = _boxes(text, found.start())[0] if found else []
    ends = [0, *(box.end for box in boxes)]
    return " ".join(
        text[a:b] for a, b in zip(ends, [*(box.start for box in boxes), len(text)], strict=True)
    )


def _joint(between: str) -> str:
    """Return the separator that two boxes of one list have between them; empty if they are none."""
    if len(between) > 40:
        return ""
    if _BESIDE.fullmatch(between):
        return ", "
    listed = any(p.fullmatch(between) for p in (_BETWEEN_BOXES, _PARTS, _THINGS))
    if not listed or not _JOINS.search(between):
        return ""
    return " or " if _OR.search(between) else ", "


def _boxes(text: str, start: int) -> tuple[list[_Box], int | None]:
    """Return the boxes with a content, in order, and the start of an outermost unclosed one."""
    outer: list[_Box] = []
    inner: list[_Box] = []  # inside another box: they count if the outer one never closes
    groups: list[tuple[int, int]] = []  # (start of the box's token, of its content); -1: no box
    boxes = 0
    opened = -1
    previous_end = 0
    for token in _BOX_TOKEN.finditer(text, start):
        word = token.group()
        if word == "{":
            opens = opened >= 0 and not text[previous_end : token.start()].strip()
            groups.append((opened, token.end()) if opens else (-1, token.end()))
            boxes += opens
            opened = -1
        elif word == "}":
            box_at, content_at = groups.pop() if groups else (-1, 0)
            boxes -= box_at >= 0
            ends = min(token.start(), content_at + ANSWER_LIMIT + 200)  # the rest is cut
            if box_at >= 0 and (content := text[content_at:ends].strip()):
                found = _Box(box_at, token.end(), content)
                (inner if boxes else outer).append(found)
            opened = -1
        else:
            opened = token.start() if word.endswith(("boxed", "fbox")) else -1
            bare = _unbraced(text, token.end()) if opened >= 0 and not boxes else None
            if bare is not None:
                outer.append(_Box(opened, token.end() + bare.end(1), bare.group(1).strip()))
        previous_end = token.end()
    open_at = next((box_at for box_at, _ in groups if box_at >= 0), None)
    if open_at is not None:
        outer += [box for box in inner if box.start > open_at]
    return outer, open_at


def _unbraced(text: str, start: int) -> re.Match[str] | None:
    r"""Read `\boxed 2$`: everything up to the closing dollar, else one token."""
    ahead = text[start : start + 200]
    if not ahead.strip() or ahead.lstrip().startswith("{"):
        return None
    return _BARE_BOX.match(ahead) if "$" in ahead else _BARE_TOKEN.match(ahead)


_NUMBER_LINE = re.compile(r"[-−+]?\s*\\?\$?\s*[-−]?[0-9.,]*[0-9](?:\s*/\s*[0-9]+)?\s*(?:\\?%)?\.?")


def hashes(text: str) -> Mark | None:
    """Find GSM8K's last line. Markdown headings (`#### Step 2`) are not answers."""
    at = text.rfind("####")
    for _ in range(_MAX_MARKS):
        if at < 0:
            return None
        line_start = at == 0 or text[at - 1] != "#"
        line, _, rest = text[at + 4 :].partition("\n")
        content = trim(line)
        closes = not rest.strip() or _NUMBER_LINE.fullmatch(content) is not None
        heading = _SECTION.match(text, at) is not None
        if line_start and content and closes and not heading and not content.startswith("#"):
            return Mark(at, content)
        at = text.rfind("####", 0, at)
    return None


_SECTION = re.compile(
    r"^[ \t]{0,3}(?:>[ \t]*)?(?:#{1,6}[ \t]*)?(?:\*\*|__|[*_])?(?:the[ \t]+)?"
    r"(?:(?:final|correct)[ \t]+)?(?P<word>answers?)[ \t]*:?[ \t]*(?:\*\*|__|[*_])?[ \t]*:?"
    r"[ \t]*#*[ \t\r]*$",
    re.I | re.M,
)
_LONGEST_SECTION = 400


def section(text: str) -> Mark | None:
    """Return the text under the last `# Answer` or `**Final Answer**` heading, up to a blank."""
    if "nswer" not in text and "NSWER" not in text:
        return None
    headings = list(_SECTION.finditer(text))
    if not headings:
        return None
    last = headings[-1]
    below = text[last.end() :].strip()
    paragraph = re.split(r"\n\s*\n", below, maxsplit=1)[0]
    content = trim(_undisplayed(paragraph))
    if not content or len(content) > _LONGEST_SECTION:
        return None
    return Mark(last.start("word"), prose_value(content) or content)


def _undisplayed(paragraph: str) -> str:
    r"""Join a displayed formula whose marks are on lines of their own: `\[`, `42`, `\]`."""
    return re.sub(r"^(\\\[|\$\$)\s*\n|\n\s*(\\\]|\$\$)$", r"\1\2", paragraph)


_TAG = re.compile(r"<(final_)?answer\s*>", re.I)
_END_TAG = re.compile(r"</(?:final_)?answer\s*>", re.I)


def tagged(text: str) -> Mark | None:
    """Find the last `<answer>...</answer>`; a stop string may have removed the closing tag."""
    if "<" not in text:
        return None
    starts = list(_TAG.finditer(text))
    if not starts:
        return None
    opened = starts[-1]
    closed = _END_TAG.search(text, opened.end())
    inside = text[opened.end() : closed.start() if closed else len(text)].strip()
    content = trim(_undisplayed(inside))
    if not content or len(content) > _LONGEST_SECTION:
        return None
    return Mark(opened.start(), prose_value(content) or content)


_KEY = re.compile(
    r"""["'](?:final[_ ]?|correct[_ ]?)?answer["']\s*:\s*"""
    r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|(-?[0-9][0-9.,/]*[0-9]|-?[0-9]))""",
    re.I,
)


def keyed(text: str) -> Mark | None:
    """Find the value of the last `{"answer": "42"}`."""
    if "nswer" not in text:
        return None
    found = None
    for match in _KEY.finditer(text):
        content = next(part for part in match.groups() if part is not None)
        content = content.replace('\\"', '"').replace("\\\\", "\\").strip()
        if content:
            found = Mark(match.start(), trim(content))
    return found


_FINAL = re.compile(r"final (?=answer is)", re.I)
_MINERVA = re.compile(r"answer is\s*:?\s*(.{1,2000}?)\.?\s*I hope it is correct", re.I | re.S)


def minerva(text: str) -> Mark | None:
    """Find `Final Answer: The final answer is $x$. I hope it is correct.`"""
    if "I hope it is correct" not in text:
        return None
    starts = [final.end() for final in _FINAL.finditer(text)]
    match = _MINERVA.match(text, starts[-1]) if starts else None
    return Mark(match.start(), trim(match.group(1))) if match else None


def phrase(text: str) -> Mark | None:
    """Find the sentence after the last `answer is` or `Answer:`, in ten languages."""
    found = last_phrase(text)
    return Mark(*found) if found else None


_LABEL = re.compile(r"^[ \t]*A:[ \t]*(\S.*)$", re.M)
_OPTION = re.compile(r"^[ \t]*B:", re.M)


def label(text: str) -> Mark | None:
    """Find `A: x`, unless it opens a list of choices."""
    if "A:" not in text:
        return None
    lines = list(_LABEL.finditer(text))
    if not lines or _OPTION.search(text, lines[-1].end()):
        return None
    return Mark(lines[-1].start(), trim(lines[-1].group(1)))


_PLAIN_START = re.compile(
    r"[\s*_\"'`(\[{]*[-+−±≈~$€£¥₹\\0-9.]|\W*[A-Za-z]\W*\Z"
    r"|(?:infinity|undefined|zero|one|two|three|four|five|six|seven|eight|nine|ten)\b"
    r"|[a-z]\s*[=+*/^-]",
    re.I,
)


def plain(answer: str) -> bool:
    """Return whether words look like an answer, unlike those of "The answer is reasonable"."""
    return _PLAIN_START.match(answer) is not None
