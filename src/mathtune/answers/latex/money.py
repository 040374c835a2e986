r"""Money of the world: its signs, codes and words, as the table of units has them. For clean.

A sign becomes a word, `₹5` is `\text{rupees}5`; so does a code at a number: `CHF 500`, `A\$20`.
"""

import re

from mathtune.answers.latex import spellings
from mathtune.answers.latex.units import names

SIGNS = {
    **spellings.MONEY, "£": "sterling", "¥": "yen", "￥": "yen", "₹": "rupees", "₨": "rupees",
    "₽": "rubles", "₩": "koreanwon", "₺": "lira", "₪": "shekels", "₱": "philippinepesos",
    "₦": "naira", "₫": "dong", "฿": "baht", "₴": "hryvnia", "৳": "taka", "₡": "colon",
    "₵": "cedi", "₸": "tenge", "₼": "manat", "₲": "guarani", "₾": "lari", "₭": "kip",
    "₮": "tugrik", "﷼": "riyal",
}  # fmt: skip
"""One character, and the word that is read for it."""

_DOLLARS = {
    "US": "usd", "HK": "hkd", "A": "aud", "AU": "aud", "C": "cad", "CA": "cad", "NZ": "nzd",
    "S": "sgd", "SG": "sgd", "R": "brl", "MX": "mxn", "NT": "twd",
}  # fmt: skip
_CODES = {
    code: code.lower()
    for code in names(
        "USD EUR GBP CHF SEK NOK DKK PLN CZK HUF RUB INR JPY CNY RMB KRW AUD CAD NZD HKD SGD TWD "
        "BRL ZAR TRY MXN THB AED SAR ILS PKR BDT NGN PHP VND IDR MYR EGP KES Rs"
    )
} | {"kr": "krona", "RM": "ringgit"}
CURRENCIES = names(
    "dollars dollar euros euro pounds pound cents cent pesos koreanwon won rubles rupees yen yuan "
    "franc francs zloty krona kroner krone reais rand dirhams ringgit"
) | frozenset((*SIGNS.values(), *_DOLLARS.values(), *_CODES.values()))
"""Words that may come before their number."""

_DOLLAR = re.compile(rf"(?<![A-Za-z\\])({'|'.join(sorted(_DOLLARS, reverse=True))})\s*\\\$")
_CODE = re.compile(
    rf"(?<![A-Za-z\\{{_^])({'|'.join(_CODES)})(?:\.\s*|\s+|~|(?=[0-9]))(?=[0-9])"
    r"|(?<=[0-9])\s+(kr|RM)(?=\.?\s*(?:\$|\*\*|\\[)\]])?\s*$)"
)
_PERHAPS_CODE = re.compile("[A-Z][A-Zs]|kr")
"""Part of every code; it is found, or missed, several times faster than a code."""


def in_words(text: str) -> str:
    r"""Write currency codes next to a number as words.

    >>> in_words("CHF 500"), in_words(r"A\$20"), in_words("AED = 30")
    ('\\text{chf}500', '\\text{aud}20', 'AED = 30')
    """
    if "\\$" in text:
        text = _DOLLAR.sub(lambda match: f"\\text{{{_DOLLARS[match[1]]}}}", text)
    if not _PERHAPS_CODE.search(text):
        return text
    return _CODE.sub(lambda match: f"\\text{{{_CODES[match[1] or match[2]]}}}", text)
