"""Write the transcripts in README and docs anew: `make transcripts`, from what the commands print.

A transcript is the block behind a comment that names its command, and a text that must be in
it:

    <!-- transcript of `mathtune measure docs/notebook/ssft.jsonl`, with "Maj1@8" -->
    ```
    ...
    ```

Commands run in the checkout's folder. With --check nothing is written; exit code 1 says that a
block is old.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r'(<!-- transcript of `(mathtune [^`\n]*)`, with "([^"\n]+)" -->\n+```\n)'
    r"(.*?)(?=^```)",
    flags=re.DOTALL | re.MULTILINE,
)


def printed(command: str) -> str:
    """What a command prints on standard output and error, together, 100 columns wide."""
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def renewed(text: str) -> str:
    """A page with its transcripts as the commands print them now.

    Raises:
        SystemExit: a command does not print what the page says that it shows.
    """

    def block(found: re.Match[str]) -> str:
        head, command, needed, _ = found.groups()
        shown = printed(command)
        if needed not in shown:
            sys.exit(f"{command}: does not print {needed!r}:\n{shown}")
        return head + shown

    return BLOCK.sub(block, text)


def main(check: bool) -> None:
    """Renew every page, or say which are old."""
    old = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (now := renewed(text)) != text:
            old.append(page.name)
            if not check:
                page.write_text(now, encoding="utf-8")
    print(f"{'old' if check else 'written'}: {', '.join(old) or 'none'}")
    sys.exit(bool(old and check))


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
