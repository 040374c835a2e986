"""Numbers, exact or of 400 bits, and their arithmetic within limits. Under `evaluate`.

A value is an `int` or `Fraction` (exact), or a pair of raw mpmath floats (real and imaginary part).
Sizes are checked before anything is computed, and work is metered: `9^{9^9}` raises TooLargeError
and costs nothing.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

from mpmath import libmp

from mathtune.answers.latex.limits import NotMathError, TooLargeError

Real = tuple[int, int, int, int]
Inexact = tuple[Real, Real]
Value = int | Fraction | Inexact

PRECISION = 400
# Terms that agree to this many bits cancel to exactly zero.
_CANCELLED = 330
_KEY_BITS = 200
MAX_BITS = 100_000

ZERO: Real = libmp.fzero
MODE = libmp.round_nearest


class UndefinedError(NotMathError):
    """An expression without a value, such as a division by zero."""


class _Meter(threading.local):
    """The work left to this thread in the current comparison, in units of some ten microseconds."""

    left = 0
    spent = 0


_METER = _Meter()
WORK = 8_000


@contextmanager
def metered() -> Iterator[None]:
    """Give the comparison inside a fresh allowance of WORK, even within another comparison.

    A longer one raises TooLargeError. Unlike a limit on time, this gives the same verdict on every
    machine.
    """
    before = _METER.left
    _METER.left = WORK
    try:
        yield
    finally:
        _METER.left = before


def spend(units: int) -> None:
    """Take so much from the allowance; TooLargeError if it is used up."""
    _METER.left -= units
    _METER.spent += units
    if _METER.left < 0:
        raise TooLargeError(f"more than {WORK} units of work")


def work_spent() -> int:
    """Return this thread's work since it started, to bound several comparisons together."""
    return _METER.spent


def inexact(value: Value) -> Inexact:
    """Return `value` as 400-bit floats."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, int):
        return (libmp.from_int(value, PRECISION, MODE), ZERO)
    top, bottom = value.numerator, value.denominator
    return (libmp.from_rational(top, bottom, PRECISION, MODE), ZERO)


def magnitude(part: Real) -> int:
    """Return the binary exponent of a float; very small for zero."""
    return part[2] + part[3] if part[1] else -(1 << 60)


def add(a: Value, b: Value) -> Value:
    """Return the sum; a real or imaginary part that cancels becomes exactly zero."""
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return sized(a + b)
    x, y = inexact(a), inexact(b)
    scale = max(magnitude(x[0]), magnitude(x[1]), magnitude(y[0]), magnitude(y[1]))
    return checked(
        settled(libmp.mpf_add(x[0], y[0], PRECISION, MODE), scale),
        settled(libmp.mpf_add(x[1], y[1], PRECISION, MODE), scale),
    )


def settled(part: Real, scale: int) -> Real:
    """Return zero for a value that is only rounding noise of terms with so large an exponent."""
    return ZERO if magnitude(part) < scale - _CANCELLED else part


def checked(real: Real, imaginary: Real) -> Value:
    """Refuse infinities and NaN; turn an exact integer zero back into one."""
    for part in (real, imaginary):
        if not part[1] and part != ZERO:
            raise UndefinedError("no finite value")
        if abs(part[2]) > 1 << 40:
            raise TooLargeError("a value beyond two to the power of two to the fortieth")
    if real == ZERO and imaginary == ZERO:
        return 0
    scale = max(magnitude(real), magnitude(imaginary))
    return (settled(real, scale), settled(imaginary, scale))


def sized(value: int | Fraction) -> Value:
    """Return an exact value within the limits, as `int` if it is whole."""
    bits = value.numerator.bit_length() + value.denominator.bit_length()
    if bits > MAX_BITS:
        raise TooLargeError(f"a number of more than {MAX_BITS} bits")
    if bits > 2_000:
        spend((bits // 2_000) ** 2)
    return value.numerator if value.denominator == 1 else value


def negative(a: Value) -> Value:
    """Return the negative."""
    if isinstance(a, tuple):
        return (libmp.mpf_neg(a[0]), libmp.mpf_neg(a[1]))
    return -a


def multiply(a: Value, b: Value) -> Value:
    """Return the product."""
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return sized(a * b)
    return checked(*libmp.mpc_mul(inexact(a), inexact(b), PRECISION, MODE))


def divide(a: Value, b: Value) -> Value:
    """Return the quotient; UndefinedError if `b` is zero."""
    if b == 0:
        raise UndefinedError("division by zero")
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return sized(Fraction(a) / b)
    return checked(*libmp.mpc_div(inexact(a), inexact(b), PRECISION, MODE))


def power(a: Value, b: Value) -> Value:
    """Return `a` to the `b`, exact for rational `a` and bounded integer `b`, else principal."""
    b = whole(b)
    if isinstance(b, int) and not isinstance(a, tuple):
        if a == 0 and b <= 0:
            if b == 0:
                return 1
            raise UndefinedError("zero to a negative power")
        if a in (0, 1):
            return a
        if a == -1:
            return -1 if b % 2 else 1
        bits = a.numerator.bit_length() + a.denominator.bit_length()
        if bits * abs(b) > MAX_BITS:
            raise TooLargeError(f"a power of more than {MAX_BITS} bits")
        return sized(Fraction(a) ** b)
    if isinstance(b, Fraction) and not isinstance(a, tuple) and b.denominator <= 64:
        exact = _exact_root(a, b.denominator)
        if exact is not None:
            return power(exact, b.numerator)
    if a == 0:
        return 0
    spend(20)
    base, exponent = inexact(a), inexact(b)
    if magnitude(exponent[0]) > 64 or magnitude(exponent[1]) > 64:
        raise TooLargeError("an exponent beyond two to the sixty-fourth")
    log_size = magnitude(libmp.mpc_log(base, 60, MODE)[0]) if base != (libmp.fone, ZERO) else 0
    if log_size + max(magnitude(exponent[0]), magnitude(exponent[1])) > 40:
        raise TooLargeError("a power beyond the limits")
    if isinstance(b, int):
        return checked(*libmp.mpc_pow_int(base, b, PRECISION, MODE))
    return checked(*libmp.mpc_pow(base, exponent, PRECISION, MODE))


def _exact_root(a: int | Fraction, index: int) -> Value | None:
    """Return the exact real root of a perfect power, else None."""
    if a < 0 or index > 64:
        return None
    top, exact = _integer_root(a.numerator, index)
    if not exact:
        return None
    bottom, exact = _integer_root(a.denominator, index)
    return sized(Fraction(top, bottom)) if exact else None


def _integer_root(n: int, index: int) -> tuple[int, bool]:
    if index == 1 or n < 2:
        return n, True
    if index == 2:
        root = math.isqrt(n)
        return root, root * root == n
    root = round(n ** (1 / index)) if n.bit_length() < 900 else 0
    return root, root > 0 and root**index == n


def root(a: Value, index: Value) -> Value:
    """Return the principal root, except that an odd root of a negative real is real."""
    index = whole(index)
    if index == 0:
        raise UndefinedError("a zeroth root")
    odd = isinstance(index, int) and index % 2 == 1
    if odd and not isinstance(a, tuple) and a < 0:
        return negative(root(-a, index))
    if odd and isinstance(a, tuple) and a[1] == ZERO and a[0][0] == 1:
        return negative(root(negative(a), index))
    if index == 2 and isinstance(a, tuple):
        return checked(*libmp.mpc_sqrt(a, PRECISION, MODE))
    return power(a, divide(1, index))


def whole(value: Value) -> Value:
    """Make an inexact value exact if it is a rational of small height; return others unchanged."""
    if not isinstance(value, tuple):
        return value.numerator if value.denominator == 1 else value
    if value[1] != ZERO:
        return value
    found = rational(value[0])
    return value if found is None else (found.numerator if found.denominator == 1 else found)


def rational(part: Real) -> Fraction | None:
    """Return a fraction below 10^15 in denominator that equals `part` to 60 digits, or None."""
    if part == ZERO:
        return Fraction(0)
    if magnitude(part) > 150 or magnitude(part) < -60:
        return None
    sign, mantissa, exponent, _ = part
    top, bottom = (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)
    before, current = (0, 1), (1, 0)
    while bottom:
        quotient, rest = divmod(top, bottom)
        if quotient.bit_length() > _KEY_BITS and current[1]:
            break
        before, current = (
            current,
            (
                quotient * current[0] + before[0],
                quotient * current[1] + before[1],
            ),
        )
        if current[1] > 10**15:
            return None
        top, bottom = bottom, rest
    if not current[1]:
        return None
    value = Fraction(*current)
    return -value if sign else value


def size(a: Value) -> Value:
    """Return the absolute value of a number."""
    if not isinstance(a, tuple):
        return -a if a < 0 else a
    return checked(libmp.mpc_abs(a, PRECISION, MODE), ZERO)


def real_fraction(value: Value) -> Fraction:
    """Return a real number as a fraction, to compare its size; UndefinedError for any other."""
    if not isinstance(value, tuple):
        return Fraction(value)
    if value[1] != ZERO or abs(magnitude(value[0])) > 2_000:
        raise UndefinedError("a complex or enormous number where a real one is expected")
    return Fraction(*libmp.to_rational(value[0]))


def is_real(value: Value) -> bool:
    """Return True if the number has no imaginary part."""
    return not isinstance(value, tuple) or value[1] == ZERO


def close(a: Value, b: Value, *, bits: int) -> bool:
    """Return True if `a` and `b` agree to `bits` binary digits."""
    difference = inexact(add(a, negative(b)))
    x, y = inexact(a), inexact(b)
    scale = max(magnitude(x[0]), magnitude(x[1]), magnitude(y[0]), magnitude(y[1]))
    return max(magnitude(difference[0]), magnitude(difference[1])) < scale - bits


def value_key(value: Value) -> object:
    """Return a hashable name, the same for equal numbers: exact, or 60 digits if irrational."""
    if not isinstance(value, tuple):
        return Fraction(value)
    real, imaginary = (_part_key(part) for part in value)
    return real if imaginary == 0 else (real, imaginary)


def _part_key(part: Real) -> object:
    found = rational(part)
    if found is not None:
        return found
    return libmp.mpf_pos(part, _KEY_BITS, MODE)[:3]
