"""Make README.md and pyproject.toml ready for an index: `python release/index_page.py URL TAG`.

The index shows the README away from its files, so relative links and pictures become those of the
repository at URL and TAG, and the project's links are added. The files are changed in place, in a
build's own checkout.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def absolute(text: str, url: str, tag: str) -> str:
    """The README with absolute links; pictures lead to the file itself.

    >>> absolute("![a](docs/a.png) [b](docs/b.md#c) [d](https://x.example)", "https://h/o/r", "v1")
    '![a](https://h/o/r/raw/v1/docs/a.png) [b](https://h/o/r/blob/v1/docs/b.md#c) [d](https://x.example)'
    """

    def link(found: re.Match[str]) -> str:
        picture, name, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        return f"{picture}[{name}]({url}/{'raw' if picture else 'blob'}/{tag}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", link, text)


def with_urls(project: str, url: str, tag: str) -> str:
    """The project's file with its links."""
    lines = [
        "[project.urls]",
        f'Repository = "{url}"',
        f'Documentation = "{url}/blob/{tag}/docs/index.md"',
        f'Changelog = "{url}/blob/{tag}/CHANGELOG.md"',
        f'Issues = "{url}/issues"',
    ]
    return project.replace("[project.scripts]", "\n".join([*lines, "", "[project.scripts]"]))


def main(url: str, tag: str) -> None:
    """Change both files."""
    readme, project = ROOT / "README.md", ROOT / "pyproject.toml"
    readme.write_text(absolute(readme.read_text("utf-8"), url, tag), encoding="utf-8")
    project.write_text(with_urls(project.read_text("utf-8"), url, tag), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
