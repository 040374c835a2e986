"""Names of units, currencies and small numbers, each written one way. Used by the parser."""


def names(text: str) -> frozenset[str]:
    """The words of `text` as a set."""
    return frozenset(text.split())


CURRENCIES = names("dollars dollar usd euros euro pounds cents cent rupees pesos yen")

SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

# Bare "units" say nothing that the number alone does not.
_SILENT = "unit"
_ALIASES = {
    "cm": "centimeter", "mm": "millimeter", "km": "kilometer", "m": "meter", "metre": "meter",
    "centimetre": "centimeter", "kilometre": "kilometer", "millimetre": "millimeter",
    "in": "inch", "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile", "inche": "inch",
    "sec": "second", "s": "second", "min": "minute", "hr": "hour", "h": "hour",
    "kg": "kilogram", "g": "gram", "gm": "gram", "mg": "milligram", "lb": "pound mass",
    "oz": "ounce", "l": "liter", "litre": "liter", "ml": "milliliter", "deg": "degree",
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "mph": "mile/hour", "kph": "kilometer/hour", "dimes": "dime", "cubes": "cube",
    "usd": "dollar", "percentage": "percent", "percentage point": "percent", "pct": "percent",
}  # fmt: skip
_POWERS = {"square": "^2", "sq": "^2", "squared": "^2", "cubic": "^3", "cubed": "^3", "cu": "^3"}
_FILLERS = names("of the a an per in total")
_COUNTED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {
    word: value
    for value, word in enumerate(_COUNTED.split())
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
     "ninety": 90, "hundred": 100}  # fmt: skip


def number_word(word: str) -> int | None:
    """The value of a written number up to a hundred, else None.

    >>> number_word("Four"), number_word("ford")
    (4, None)
    """
    word = word.lower()
    return _NUMBER_WORDS.get(word)


def joined_number(tens: int, word: str) -> int | None:
    """`twenty` and `five` as 25; None where they are no such pair.

    >>> joined_number(20, "five"), joined_number(25, "five")
    (25, None)
    """
    ones = number_word(word)
    if ones is None or not 0 < ones < 10 or tens not in range(20, 100, 10):
        return None
    return tens + ones


def unit_name(words: list[str]) -> str:
    """One name for a unit however it is written; empty for bare units.

    >>> unit_name(["square", "inches"]), unit_name(["in", "^2"]), unit_name(["units"])
    ('inch^2', 'inch^2', '')
    """
    power = ""
    found: list[str] = []
    for word in words:
        if word in _POWERS:
            power = _POWERS[word]
        elif word.startswith("^"):
            power = "" if word == "^1" else word
        elif word == "/" or word == "per":
            found.append("/")
        elif word not in _FILLERS or (word == "in" and not found):
            found.append(_singular(word))
    name = " ".join(found).replace(" / ", "/")
    return "" if name + power == _SILENT else name + power


def _singular(word: str) -> str:
    if word in _ALIASES:
        return _ALIASES[word]
    for plural, single in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if word.endswith(plural) and not word.endswith("ss") and len(word) > 2:
            word = word.removesuffix(plural) + single
            break
    return _ALIASES.get(word, word)
