"""The phrases of the chains: eight settings, each with ten events, the frequent ones first.

An event changes the amount that its chain follows. Its `effect`:

    +   -   *   /    by n (a number of the text, or one that a word names: "a dozen", "doubles")
    +*  -*           by n times m
    -/               by the n-th part of the amount ("a quarter of it")
    -+               n go and m come
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["+", "-", "*", "/", "+*", "-*", "-/", "-+"]


@dataclass(frozen=True)
class Event:
    """A phrase with the numbers `{n}` and `{m}`; `n` is set if a word names it instead."""

    text: str
    effect: Effect
    n: int | None = None
    m: int | None = None


@dataclass(frozen=True)
class Setting:
    """The openings (with `{s}`), events and questions of a chain; `things` fill `{x}`."""

    openings: tuple[str, ...]
    events: tuple[Event, ...]
    questions: tuple[str, ...]
    things: tuple[str, ...] = ("",)


SETTINGS = {
    "hoard": Setting(
        ("{who} owns {s} {x}", "in a drawer {who} keeps {s} {x}", "{who} starts out with {s} {x}"),
        (
            Event("{o} hands over {n} more to {who}", "+"),
            Event("{n} go missing", "-"),
            Event("an uncle sends {n} packets with {m} {x} inside", "+*"),
            Event("{who} trades {n} of them for a whistle", "-"),
            Event("the hoard doubles", "*", 2),
            Event("{who} puts aside a quarter of them for {o}", "-/", 4),
            Event("{who} swaps {n} old ones for {m} new ones", "-+"),
            Event("a dozen turn up under a bed", "+", 12),
            Event("{n} cousins are handed {m} apiece", "-*"),
            Event("half of them crack", "/", 2),
        ),
        ("How many {x} does that make?", "What does the hoard come to?"),
        ("marbles", "badges", "beads", "buttons", "ribbons", "pebbles"),
    ),
    "purse": Setting(
        ("{who} carries ${s}", "the purse of {who} holds ${s}", "{who} sets out with ${s}"),
        (
            Event("a lamp sets {who} back ${n}", "-"),
            Event("{o} repays {who} ${n}", "+"),
            Event("{n} tickets at ${m} apiece come out of it", "-*"),
            Event("{who} mows {n} lawns, ${m} per lawn", "+*"),
            Event("a fine of ${n} is due", "-"),
            Event("grandfather matches the sum", "*", 2),
            Event("a third goes to charity", "-/", 3),
            Event("a bet triples it", "*", 3),
            Event("{who} refunds ${n} and takes in ${m}", "-+"),
            Event("a thief grabs half of it", "/", 2),
        ),
        ("How many dollars are in the purse?", "What is {who} worth by then?"),
    ),
    "tank": Setting(
        (
            "a tank stores {s} litres",
            "{s} litres stand in a tank",
            "someone pours {s} litres in a tank",
        ),
        (
            Event("{n} litres leak out", "-"),
            Event("rain brings in {n} litres", "+"),
            Event("a pump fills in {n} litres per minute during {m} minutes", "+*"),
            Event("the level sinks by {n} litres", "-"),
            Event("{n} buckets, {m} litres per bucket, are drawn", "-*"),
            Event("half evaporates", "/", 2),
            Event("a twin tank, equally full, is emptied into it", "*", 2),
            Event("a fifth drains off", "-/", 5),
            Event("{n} litres of mud are scooped up and {m} litres of clear water let in", "-+"),
            Event("a hose spills twenty litres on the lawn", "-", 20),
        ),
        ("How many litres does the tank hold by evening?", "What is the final level in litres?"),
    ),
    "bus": Setting(
        ("a bus departs with {s} riders", "{s} riders board a bus", "the driver counts {s} riders"),
        (
            Event("at the bridge {n} get off", "-"),
            Event("near the mill {n} climb aboard", "+"),
            Event("{n} get off while {m} climb aboard", "-+"),
            Event("{n} families of {m} squeeze in", "+*"),
            Event("by the harbour {n} hop out", "-"),
            Event("a third alight at the hospital", "-/", 3),
            Event("outside the stadium the crowd doubles", "*", 2),
            Event("{n} teams of {m} step down", "-*"),
            Event("half transfer to a tram", "/", 2),
            Event("a pair with a pram joins", "+", 2),
        ),
        ("How many riders reach the terminus?", "Who is still aboard, in riders?"),
    ),
    "herd": Setting(
        ("a farmer tends {s} {x}", "{s} {x} graze on a hill", "a herd numbers {s} {x}"),
        (
            Event("{n} are born in spring", "+"),
            Event("wolves snatch {n}", "-"),
            Event("the farmer auctions {n} lots of {m}", "-*"),
            Event("{n} stray", "-"),
            Event("a neighbour drives {n} carts with {m} {x} over", "+*"),
            Event("the herd triples within years", "*", 3),
            Event("a flood drowns a quarter", "-/", 4),
            Event("one half is fenced off for a son", "/", 2),
            Event("a dowry adds a score of {x}", "+", 20),
            Event("{n} die of fever, then {m} recover from hiding", "-+"),
        ),
        ("How big is the herd?", "What does the farmer count in {x}?"),
        ("sheep", "goats", "cows", "geese", "ponies"),
    ),
    "score": Setting(
        (
            "{who} leads with {s} points",
            "after one round {who} scores {s} points",
            "the board shows {s} points",
        ),
        (
            Event("a goal earns {n} points", "+"),
            Event("a foul takes {n} points away", "-"),
            Event("{n} hits count {m} points apiece", "+*"),
            Event("a joker doubles the points", "*", 2),
            Event("the referee strikes {n} points", "-"),
            Event("{n} misses at minus {m} follow", "-*"),
            Event("a bonus of {n} points is granted", "+"),
            Event("a trap halves the points", "/", 2),
            Event("a riddle triples everything", "*", 3),
            Event("a tenth is forfeited", "-/", 10),
        ),
        ("What is the final score?", "Which number of points does {who} finish on?"),
    ),
    "bakehouse": Setting(
        (
            "a jar contains {s} grams of {x}",
            "{s} grams of {x} lie on the scales",
            "{who} weighs out {s} grams of {x}",
        ),
        (
            Event("{who} stirs in {n} grams", "+"),
            Event("{n} grams get spilled", "-"),
            Event("{n} spoonfuls of {m} grams are tipped in", "+*"),
            Event("{who} sifts out {n} grams of lumps", "-"),
            Event("{n} loaves use up {m} grams apiece", "-*"),
            Event("the amount is doubled for guests", "*", 2),
            Event("only one third is needed", "/", 3),
            Event("a fifth sticks to the lid", "-/", 5),
            Event("{n} stale grams make way for {m} fresh grams", "-+"),
            Event("mice nibble ten grams", "-", 10),
        ),
        ("How many grams of {x} are there?", "What do the scales read in grams?"),
        ("flour", "sugar", "rice", "oats", "salt"),
    ),
    "mail": Setting(
        (
            "a clerk sorts {s} parcels",
            "a depot opens with {s} parcels",
            "{s} parcels await delivery",
        ),
        (
            Event("a van unloads {n} parcels", "+"),
            Event("couriers deliver {n}", "-"),
            Event("{n} crates of {m} parcels roll in", "+*"),
            Event("{n} cyclists set off, carrying {m} apiece", "-*"),
            Event("{n} parcels return to sender", "-"),
            Event("customs holds back half", "/", 2),
            Event("holidays triple the pile", "*", 3),
            Event("a sixth is misrouted", "-/", 6),
            Event("a late sack yields thirty parcels", "+", 30),
            Event("{n} parcels expire as {m} others pass inspection", "-+"),
        ),
        ("How many parcels remain at the depot?", "What is the size of the pile of parcels?"),
    ),
}  # fmt: skip
