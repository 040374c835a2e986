"""Sets of the real line as sorted intervals. For the keys.

Endpoints are compared as 400-bit numbers; an endpoint that is no real number (a parameter) cannot
be ordered, and the set is then compared piece by piece.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering

from mathtune.answers.latex.limits import NotMathError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.values import evaluate as ev
from mathtune.answers.values import numbers


@total_ordering
@dataclass(frozen=True, slots=True)
class End:
    """An endpoint: a real number, or an infinity (`side` -1 or 1, else 0)."""

    side: int
    value: Fraction
    key: Hashable

    def __lt__(self, other: "End") -> bool:
        return self.key != other.key and (self.side, self.value) < (other.side, other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, End) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


_LOW = End(-1, Fraction(0), ("infinity", -1))
_HIGH = End(1, Fraction(0), ("infinity", 1))


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers from `low` to `high`; `closed_low` and `closed_high`: the ends belong to it."""

    low: End
    high: End
    closed_low: bool
    closed_high: bool

    @staticmethod
    def everything() -> "Interval":
        return Interval(_LOW, _HIGH, False, False)

    @staticmethod
    def above(end: End, *, closed: bool) -> "Interval":
        return Interval(end, _HIGH, closed, False)

    @staticmethod
    def below(end: End, *, closed: bool) -> "Interval":
        return Interval(_LOW, end, False, closed)

    @staticmethod
    def point(node: Node) -> "Interval":
        end = _end(node)
        return Interval(end, end, True, True)

    @staticmethod
    def between(low: Node, high: Node, closed_low: bool, closed_high: bool) -> "Interval":
        interval = Interval(_end(low), _end(high), closed_low, closed_high)
        if interval.high < interval.low:
            raise NotMathError("an interval that runs backwards")
        return interval

    def empty(self) -> bool:
        if self.low == self.high:
            return not (self.closed_low and self.closed_high)
        return self.high < self.low


def _end(node: Node) -> End:
    if node == ("inf",):
        return _HIGH
    if node == ("neg", ("inf",)):
        return _LOW
    if ev.symbols(node):
        raise NotMathError("an endpoint with symbols")
    return real_end(ev.evaluate(node))


def real_end(value: numbers.Value) -> End:
    """Return the endpoint at a real number; UndefinedError for any other."""
    return End(0, numbers.real_fraction(value), numbers.value_key(value))


def merge(parts: list[Interval]) -> list[Interval]:
    """Return the union of `parts`, sorted and without overlaps; touching pieces become one."""
    merged: list[Interval] = []
    live = [part for part in parts if not part.empty()]
    for part in sorted(live, key=lambda p: (p.low, not p.closed_low)):
        if not merged:
            merged.append(part)
            continue
        last = merged[-1]
        touching = part.low < last.high or (
            part.low == last.high and (part.closed_low or last.closed_high)
        )
        if not touching:
            merged.append(part)
        elif last.high < part.high:
            merged[-1] = Interval(last.low, part.high, last.closed_low, part.closed_high)
        elif last.high == part.high:
            closed = last.closed_high or part.closed_high
            merged[-1] = Interval(last.low, last.high, last.closed_low, closed)
    return merged


def intersect(a: list[Interval], b: list[Interval]) -> list[Interval]:
    """Return the intersection of two sorted unions of disjoint intervals, as from `merge`."""
    found: list[Interval] = []
    i = j = 0
    while i < len(a) and j < len(b):
        numbers.spend(2)
        x, y = a[i], b[j]
        low, high = max(x.low, y.low), min(x.high, y.high)
        closed_low = all(p.closed_low for p in (x, y) if p.low == low)
        closed_high = all(p.closed_high for p in (x, y) if p.high == high)
        both = Interval(low, high, closed_low, closed_high)
        if not both.empty():
            found.append(both)
        # The one that ends first meets nothing more; at a common end, a closed one still may.
        if x.high < y.high or (x.high == y.high and not x.closed_high):
            i += 1
        else:
            j += 1
    return found


def complement(parts: list[Interval]) -> list[Interval]:
    """Return the rest of the real line."""
    rest: list[Interval] = []
    low, closed = _LOW, False
    for part in merge(parts):
        below = Interval(low, part.low, closed, not part.closed_low and part.low.side == 0)
        if part.low.side == 0 and not below.empty():
            rest.append(below)
        low, closed = part.high, not part.closed_high and part.high.side == 0
    if low.side <= 0:
        rest.append(Interval(low, _HIGH, closed, False))
    return rest


def interval_key(parts: list[Interval]) -> Hashable:
    """Return the key: one interval has that of the pair that writes it; none is the empty set."""
    if not parts:
        return ("bag", frozenset())
    if all(part.low == part.high for part in parts):
        return ("bag", frozenset((part.low.key, 1) for part in parts))
    keys = [
        (
            "tuple",
            "[" if part.closed_low else "(",
            "]" if part.closed_high else ")",
            (part.low.key, part.high.key),
        )
        for part in parts
    ]
    return keys[0] if len(keys) == 1 else ("union", tuple(keys))
