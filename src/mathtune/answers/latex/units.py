r"""Units of measure: one declared table, and the dimensions and size of a unit as it is written.

A unit is a product of powers of dimensions and a size in the first unit of each dimension: `km/h`
is length 1, time -1, of size 1000/3600. A noun that the table does not know, such as `apples`, is a
dimension of its own. Two quantities agree if dimensions and the product of number and size agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


def names(text: str) -> frozenset[str]:
    """Return the words of `text` as a set."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Unit:
    """Powers by dimension, sorted, and the size in the dimensions' first units."""

    powers: tuple[tuple[str, int], ...]
    size: Fraction

    def times(self, other: "Unit", power: int = 1) -> "Unit":
        """Return the product with a power of another unit."""
        if power == 1 and not self.powers and self.size == 1:
            return other
        found = dict(self.powers)
        for dimension, exponent in other.powers:
            found[dimension] = found.get(dimension, 0) + exponent * power
        size = self.size * other.size**power
        return Unit(tuple(sorted((d, p) for d, p in found.items() if p)), size)


NO_UNIT = Unit((), Fraction(1))

# Dimension: its units with their size in the first of them, each with all its spellings.
_TABLE = """
length   1 m meter metre | 1/100 cm centimeter centimetre | 1/1000 mm millimeter millimetre
length   1000 km kilometer kilometre | 1/10 dm decimeter decimetre | 1/1000000 mum micrometer micron
length   1/1000000000 nm nanometer | 127/5000 in inch inche | 381/1250 ft foot feet
length   1143/1250 yd yard | 201168/125 mi mile | 1852 nmi | 9460730472580800 lightyear
mass     1 g gram gm gramme | 1000 kg kilogram kilo | 1/1000 mg milligram | 1000000 tonne
mass     45359237/100000 lb lbs pound | 45359237/1600000 oz ounce
time     1 s sec second | 60 min minute | 3600 h hr hour | 86400 d day | 604800 wk week
time     1/1000 ms millisecond | 1/1000000 mus microsecond | 1/1000000000 ns nanosecond
months   1 month mo | 12 yr year | 120 decade | 1200 century
volume_  1/1000 l liter litre | 1/1000000 ml milliliter millilitre cc | 1/100000 cl centiliter
volume_  473176473/125000000000 gal gallon | 473176473/500000000000 qt quart
volume_  473176473/1000000000000 pt pint | 473176473/2000000000000 cup
volume_  473176473/32000000000000 tbsp tablespoon | 157725491/32000000000000 tsp teaspoon
area_    10000 ha hectare | 316160658/78125 acre
force    1 n newton | 1000 kn kilonewton
energy   1 j joule | 1000 kj kilojoule | 4184/1000 cal calorie | 4184 kcal | 3600000 kwh
power    1 w watt | 1000 kw kilowatt | 1000000 mw megawatt
pressure 1 pa pascal | 1000 kpa kilopascal | 101325 atm atmosphere
frequency 1 hz hertz | 1000 khz kilohertz | 1000000 mhz megahertz | 1000000000 ghz gigahertz
voltage  1 v volt | 1000 kv kilovolt
current  1 a amp ampere | 1/1000 ma milliamp
ohm      1 ohm | 1000 kohm
charge   1 coulomb
farad    1 farad
celsius  1 celsius
fahrenheit 1 fahrenheit
kelvin   1 k kelvin
amount   1 mol mole
angle    1 rad radian
bits     1 bit | 8 byte | 8192 kb kilobyte | 8388608 mb megabyte | 8589934592 gb gigabyte
dollar   1 dollar usd | 1/100 cent penny pennie penie
dollar   1/4 quarter | 1/10 dime | 1/20 nickel
euro     1 euro eur
sterling 1 sterling gbp | 1/100 pence
rupee    1 rupee inr rs | 1/100 paise paisa
yen      1 yen jpy
yuan     1 yuan rmb cny renminbi
peso     1 peso mxn
philippinepeso 1 philippinepeso php
ruble    1 ruble rouble rub
koreanwon 1 koreanwon won krw
lira     1 lira try
shekel   1 shekel ils
naira    1 naira ngn
dong     1 dong vnd
baht     1 baht thb
hryvnia  1 hryvnia uah
franc    1 franc chf
krone    1 krone kroner krona
swedishkrona 1 sek
norwegiankrone 1 nok
danishkrone 1 dkk
zloty    1 zloty pln
koruna   1 koruna czk
forint   1 forint huf
australiandollar 1 aud
canadiandollar 1 cad
newzealanddollar 1 nzd
hongkongdollar 1 hkd
singaporedollar 1 sgd
taiwandollar 1 twd
riyal    1 riyal sar
ringgit  1 ringgit myr
taka     1 taka bdt
pakistanirupee 1 pkr
rupiah   1 rupiah idr
egyptianpound 1 egp
kenyanshilling 1 kes
dinar    1 dinar
colon    1 colon
cedi     1 cedi
tenge    1 tenge
manat    1 manat
guarani  1 guarani
lari     1 lari
kip      1 kip
tugrik   1 tugrik
real     1 reais brl
rand     1 rand zar
dirham   1 dirham aed
"""
MULTIPLES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12, "dozens": 12,
}  # fmt: skip
_DERIVED = {
    "force": "mass length time-2 1000", "energy": "mass length2 time-2 1000",
    "power": "mass length2 time-3 1000", "pressure": "mass length-1 time-2 1000",
    "frequency": "time-1 1", "volume_": "length3 1", "area_": "length2 1",
}  # fmt: skip
_SPEEDS = {"mph": ("mi", "h"), "kph": ("km", "h"), "kmh": ("km", "h"), "kmph": ("km", "h"),
           "fps": ("ft", "s"), "rpm": ("revolution", "min"), "mpg": ("mi", "gal")}  # fmt: skip
# Spellings with two meanings: either reading may be right.
AMBIGUOUS = {
    "pound": ("lb", "sterling"), "cent": ("cent", "eurocent"), "c": ("celsius", "coulomb"),
    "f": ("fahrenheit", "farad"), "quarter": ("quarter", "qtr"),
}  # fmt: skip
_MEANINGS = {
    "eurocent": Unit((("euro", 1),), Fraction(1, 100)),
    "qtr": Unit((("quarter", 1),), Fraction(1)),
}
_PLURALS = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "feet": "foot", "centuries": "century", "dice": "die", "teeth": "tooth", "geese": "goose",
    "halves": "half", "lives": "life", "loaves": "loaf", "leaves": "leaf",
}  # fmt: skip
POWERS = {"squared": 2, "cubed": 3}
"""Words behind a unit, or behind a number: `10 squared` is 100."""
_MODIFIERS = {**POWERS, "square": 2, "sq": 2, "cubic": 3, "cu": 3}
_FILLERS = names("of the a an in total")
# Single letters that are units behind a number, and their spelling in the table.
UNIT_LETTERS = {
    "m": "m", "s": "s", "g": "g", "h": "h", "l": "l", "L": "l", "W": "w", "N": "n", "J": "j",
    "V": "v", "A": "amp", "K": "k", "C": "c", "F": "f", "Omega": "ohm",
}  # fmt: skip


def _rows() -> Iterator[tuple[str, Unit]]:
    for line in _TABLE.strip().splitlines():
        dimension, _, entries = line.partition(" ")
        for entry in entries.split("|"):
            size, *spellings = entry.split()
            unit = _derived(dimension, Fraction(size))
            for spelling in spellings:
                yield spelling, unit


def _derived(dimension: str, size: Fraction) -> Unit:
    if dimension not in _DERIVED:
        return Unit(((dimension, 1),), size)
    *parts, factor = _DERIVED[dimension].split()
    powers = []
    for part in parts:
        name = part.rstrip("-0123456789")
        powers.append((name, int(part.removeprefix(name) or 1)))
    return Unit(tuple(sorted(powers)), size * Fraction(factor))


_UNITS = dict(_rows())
ABBREVIATIONS = frozenset(name for name in _UNITS if 1 < len(name) < 5) | frozenset(_SPEEDS)


def known(word: str) -> bool:
    """Return True if the table has the unit, in the singular or plural.

    >>> known("kilometers"), known("apples")
    (True, False)
    """
    return _spelling(word.lower().removesuffix(".")) is not None


def _spelling(word: str) -> str | None:
    """Return the table's spelling of a word in lower case."""
    for candidate in (word, singular(word)):
        if candidate in _UNITS or candidate in _SPEEDS:
            return candidate
    return None


def singular(word: str) -> str:
    """Return a noun's singular, roughly: one name for both numbers.

    >>> singular("boxes"), singular("apples"), singular("glass"), singular("people")
    ('box', 'apple', 'glass', 'person')
    """
    if word in _PLURALS:
        return _PLURALS[word]
    for plural, single in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if word.endswith(plural) and not word.endswith("ss") and len(word) > 2:
            return word.removesuffix(plural) + single
    return word


@lru_cache(maxsize=4_000)
def read_unit(words: tuple[str, ...]) -> tuple[Unit, ...]:
    """Return the readings of a written unit, the most likely first; NO_UNIT for bare `units`.

    >>> read_unit(("square", "feet")) == read_unit(("ft", "^2"))
    True
    >>> read_unit(("ft", "/", "sec"))[0].powers
    (('length', 1), ('time', -1))
    """
    spelled = {singular(word.lower()) for word in words}
    for name, readings in AMBIGUOUS.items():
        if name in spelled:
            return tuple(dict.fromkeys(_read(words, {name: r}) for r in readings))
    return (_read(words, {}),)


def _read(words: Sequence[str], meaning: dict[str, str]) -> Unit:
    unit = NO_UNIT
    for number, group in enumerate(_split(words)):
        unit = unit.times(_product(group, meaning), -1 if number else 1)
    return unit


def _split(words: Sequence[str]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for word in words:
        if word in ("/", "per"):
            groups.append([])
        else:
            groups[-1].append(word)
    return groups


def _product(words: list[str], meaning: dict[str, str]) -> Unit:
    """Return the product of the known units; unknown words together are one noun."""
    unit, last, power, noun_power = NO_UNIT, NO_UNIT, 1, 1
    nouns: list[str] = []
    for at, word in enumerate(words):
        word = word.lower()
        if word.startswith("^"):
            unit = unit.times(last, int(word[1:]) - 1)
            noun_power = int(word[1:]) if last is NO_UNIT else noun_power
        elif word in POWERS:
            unit = unit.times(last, _MODIFIERS[word] - 1)
        elif word in _MODIFIERS:
            power = _MODIFIERS[word]
        elif word not in _FILLERS or (word == "in" and at == 0):
            last = _one(word, meaning)
            if last is NO_UNIT:
                nouns.append(singular(word))
                noun_power = max(noun_power, power)
            else:
                unit = unit.times(last, power)
            power = 1
    if unit == NO_UNIT and nouns and (nouns != ["unit"] or noun_power != 1):
        return Unit(((" ".join(nouns), noun_power),), Fraction(1))
    return unit


def _one(word: str, meaning: dict[str, str]) -> Unit:
    word = word.removesuffix(".")
    word = meaning.get(word, meaning.get(singular(word), word))
    if word in _MEANINGS:
        return _MEANINGS[word]
    spelling = _spelling(word)
    if spelling is None:
        return NO_UNIT
    if spelling in _SPEEDS:
        first, second = _SPEEDS[spelling]
        return _product([first], {}).times(_product([second], {}), -1)
    return _UNITS[spelling]
