"""The grader `math-verify`: Hugging Face's library, as a second opinion. Runs only in a worker."""

from importlib.util import find_spec

from mathtune.errors import InputError
from mathtune.rows.records import Verdict


def require() -> None:
    """Raise InputError if math-verify is not installed."""
    if find_spec("math_verify") is None:
        raise InputError(
            "grader math-verify: the library is not installed; "
            "install it with pip install 'mathtune[math-verify]'."
        )


def quick(answer: str, gold: str) -> None:
    """Return None: nothing is settled without the library."""


def judge(answer: str, gold: str) -> Verdict:
    """Return math-verify's verdict. Its own limits need the main thread, so the pool sets ours.

    A gold that it cannot read, or an error inside it, is `undecided`: the library itself answers
    False there.
    """
    from math_verify import parse, verify

    try:
        golds = parse(f"${gold}$", parsing_timeout=None, raise_on_error=True)
        if not golds:
            return Verdict.undecided
        ours = parse(f"${answer}$", parsing_timeout=None, raise_on_error=True)
        same = verify(golds, ours, timeout_seconds=None, raise_on_error=True)
    except Exception:  # any error inside the library gives one verdict
        return Verdict.undecided
    return Verdict.correct if same else Verdict.wrong
