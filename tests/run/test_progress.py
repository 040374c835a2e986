"""The terminal shows foreign text, and obeys none of it, whatever prints it."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.table import Table
from rich.text import Text

from mathtune.cli import main
from mathtune.errors import InputError
from mathtune.run import progress
from mathtune.run.progress import Terminal

HOSTILE = "a\x1b[2J\x1b]0;owned\x07b\rc\x9b31md\u202ee[bold]f[/] :smile:"
SHOWN = "a�[2J�]0;owned�b�c�31md�e[bold]f[/] :smile:"


def printed(what: object) -> str:
    stream = StringIO()
    Terminal(file=stream, width=200, force_terminal=True).print(what)
    return stream.getvalue()


def test_texts_and_tables_and_titles() -> None:
    table = Table(HOSTILE, title=HOSTILE, caption=HOSTILE)
    table.add_row(HOSTILE)
    for what in (HOSTILE, Text(HOSTILE, style="bold"), table):
        found = printed(what)
        assert "a�[2J�]0;ownedbc�31md�e[bold]f[/] :smile:" in found  # rich drops \\a and \\r
        assert not {"\x07", "\r", "\x9b", "\u202e"} & set(found)
        assert "\x1b[2J" not in found
        assert "\x1b]" not in found
    assert "\x1b[1m" in printed(Text("a", style="bold"))  # rich's own styles are not touched


def test_long_work_says_less_and_less(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    heartbeat = progress.Heartbeat()
    for _ in range(130):
        heartbeat.beat(lambda seconds: f"after {seconds:.0f} s")
        now += 1
    assert capsys.readouterr().err.splitlines() == [f"after {s} s" for s in (16, 31, 61, 121)]


def test_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise InputError(f"problem {HOSTILE}.")

    monkeypatch.setattr(main, "app", fails)
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().err == f"error: problem {SHOWN}.\n"
