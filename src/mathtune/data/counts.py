"""What was read and dropped while rows became problems. Under `problems`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mathtune.data.values import Golds
from mathtune.errors import InputError, many
from mathtune.run.progress import say

NAMED = 3
"""The number of dropped rows that are named per reason."""
SHOWN = 60


@dataclass
class Counts:
    """The counts of rows read and dropped, over all splits of a source.

    `dropped`: reason -> rows; `places`: reason -> the first few. `first`: the first gold with the
    value that it was read from. `roles`: our names -> the fields they were read from. `names`: the
    fields of the first row.
    """

    rows: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    first: tuple[str, Golds] | None = None
    names: tuple[str, ...] = ()
    first_fault: str = ""
    golds_reduced: int = 0
    bare_solutions: int = 0
    several_solutions: int = 0
    first_option: int | None = None
    """The number of the first option, if the golds number the options."""

    def drop(self, reason: str, where: str) -> None:
        """Count a row that cannot be used, and name it."""
        self.leave_out(reason)
        named = self.places.setdefault(reason, [])
        if len(named) < NAMED:
            named.append(where)

    def leave_out(self, reason: str) -> None:
        """Count a row that a condition excludes."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def refuse_unfound(self, fields: Mapping[str, str]) -> None:
        """Raise InputError if no row has a value in a field that the user named."""
        for ours, path in fields.items():
            if self.names and ours not in self.roles:
                raise InputError(
                    f"fields.{ours}: no row has a value in '{path}'; the fields are "
                    f"{', '.join(self.names)}."
                )

    def tell(self) -> None:
        """Print the fields' roles, the first gold and its rule, and what was dropped."""
        if self.roles:
            say("  read as " + ", ".join(f"{ours}: '{p}'" for ours, p in self.roles.items()))
        if self.first is not None:
            where, gold = self.first
            origin = shortened(gold.text)
            how = "as it stands" if gold.rule is None else f"the answer ({gold.rule}) of {origin!r}"
            say(f"  the first gold is {shortened(gold.answer)!r} ({where}), {how}")
        if self.first_option is not None:
            say(f"  the golds number the options, from {self.first_option}: read as their letters")
        if self.several_solutions:
            rows = many(self.several_solutions, "row has", "rows have")
            say(f"  {rows} several solutions: the first is kept")
        if self.golds_reduced:
            reduced = many(self.golds_reduced, "gold is a solution", "golds are solutions")
            say(f"  {reduced}, of which the answer is taken")
        if self.bare_solutions:
            bare = many(self.bare_solutions, "solution is", "solutions are")
            say(f"  {bare} only the answer: not learned from")
        if self.rows:
            without = sum(count for why, count in self.dropped.items() if why.startswith("gold"))
            total = sum(self.dropped.values())
            end = ":" if total else ""
            say(f"  {total} of {self.rows} rows dropped, {without} without a usable gold{end}")
        for reason, count in sorted(self.dropped.items(), key=lambda pair: -pair[1]):
            named = self.places.get(reason, [])
            places = f" ({', '.join(named)}{', ...' if count > NAMED else ''})" if named else ""
            say(f"    {count}: {reason}{places}")


def shortened(text: str) -> str:
    """Return the beginning and the end of a long text."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN // 2]} ... {line[-SHOWN // 3 :]}"
