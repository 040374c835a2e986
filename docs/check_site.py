"""Check that the built site works as a folder, offline: `python docs/check_site.py site`.

Every link to a file leads to one that is there, every anchor is on its page, and nothing that a
page loads comes from elsewhere.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """The links, the loaded files and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag links to, loads or names."""
        values = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := values.get(key))}
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if (
            tag in LOADED
            and (target := values.get(LOADED[tag]))
            and values.get("rel") != "canonical"
        ):
            self.loaded.append(target)


def faults(site: Path) -> list[str]:
    """Every link that leads nowhere, and every file that is loaded from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for target in page.loaded:
            if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
                found.append(f"{name}: loads {target}")
        for target in (*page.links, *page.loaded):
            parts = urlsplit(target)
            if parts.scheme or target.startswith("//"):
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = place / "index.html" if place.is_dir() else place
            if not place.exists():
                found.append(f"{name}: {target} is not there")
                continue
            anchors = pages[place].anchors | {"__skip"} if place in pages else set()
            part = unquote(parts.fragment)
            if place in pages and part and "=" not in part and part not in anchors:
                found.append(f"{name}: {target} names no part of that page")
    if not pages:
        found.append(f"{site}: no pages")
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).resolve())
    print("\n".join(wrong) or "every link leads somewhere, and nothing is loaded from elsewhere")
    sys.exit(bool(wrong))
