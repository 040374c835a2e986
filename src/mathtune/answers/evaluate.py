r"""Exact or 400-bit values of expression trees at fixed points. What canonical keys are made of.

A value is an `int` or `Fraction` (exact), or a pair of raw mpmath floats (real and imaginary part).
Sizes are checked before anything is computed: `9^{9^9}` raises TooLargeError and costs nothing.

Two expressions are equal up to algebra exactly if they agree at every point. A polynomial or
rational identity is decided by exact arithmetic at three points that no text can foresee; other
expressions are compared to 60 digits. Numbers stay exact as long as they are rational.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from zlib import crc32

from mpmath import libmp

from mathtune.answers.lexer import NotMathError, TooLargeError
from mathtune.answers.parse import Node

Real = tuple[int, int, int, int]
Inexact = tuple[Real, Real]
Value = int | Fraction | Inexact

PRECISION = 400
# Terms that agree to this many bits cancel to exactly zero.
_CANCELLED = 330
_KEY_BITS = 200
MAX_BITS = 50_000
MAX_FACTORIAL = 3_000
POINTS = 3
POSITIVE_POINTS = (0, 1, 3, 4)

_ZERO: Real = libmp.fzero
_MODE = libmp.round_nearest


class UndefinedError(NotMathError):
    """An expression without a value, such as a division by zero."""


class _Meter(threading.local):
    """Work left to this thread in the current comparison, in units of some ten microseconds."""

    left = 0


_METER = _Meter()
WORK = 20_000


@contextmanager
def metered() -> Iterator[None]:
    """Give the comparison inside a fresh allowance of WORK, whatever else the thread is doing.

    What would take longer raises TooLargeError: a limit on work, unlike one on time, gives the same
    verdict on every machine.
    """
    before = _METER.left
    _METER.left = WORK
    try:
        yield
    finally:
        _METER.left = before


def _spend(units: int) -> None:
    _METER.left -= units
    if _METER.left < 0:
        raise TooLargeError(f"more than {WORK} units of work")


def evaluate(node: Node, point: int = 0) -> Value:
    """The value of `node` with its symbols at the `point`-th of POINTS places.

    Runs inside `metered()`.

    >>> with metered():
    ...     evaluate(("div", ("num", 2), ("num", 4)))
    Fraction(1, 2)
    """
    _spend(1)
    kind = node[0]
    if kind == "num":
        return node[1]
    if kind == "sym":
        return _symbol(node[1], point)
    if kind in _BINARY:
        return _BINARY[kind](evaluate(node[1], point), evaluate(node[2], point))
    if kind == "neg":
        return negative(evaluate(node[1], point))
    if kind == "fact":
        return _factorial(evaluate(node[1], point))
    if kind == "deg":
        return multiply(evaluate(node[1], point), divide(_pi(), 180))
    if kind == "pct":
        return divide(evaluate(node[1], point), 100)
    if kind == "call":
        arguments = [evaluate(argument, point) for argument in node[2:]]
        return _call(node[1], arguments)
    raise NotMathError(f"{kind} has no single value")


def symbols(node: Node) -> frozenset[str]:
    """Names of the variables in `node`.

    >>> sorted(symbols(("add", ("sym", "x"), ("mul", ("sym", "pi"), ("sym", "y")))))
    ['x', 'y']
    """
    found: set[str] = set()
    waiting: list[object] = [node]
    while waiting:
        member = waiting.pop()
        if not isinstance(member, tuple):
            continue
        if len(member) == 2 and member[0] == "sym":
            found.add(member[1])
        else:
            waiting.extend(member)
    return frozenset(found - _NAMED)


_NAMED = {"pi", "e", "i"}


def symbol_point(name: str, point: int) -> Fraction | int:
    """The fixed place of a symbol: above 1, between 0 and 1, negative; positive integers for k, n.

    Points 3 and 4 are positive too, for comparisons that hold only where roots are real.
    """
    drawn = crc32(f"{name}/{point}".encode())
    if name in ("n", "k"):
        return 5 + 17 * point + drawn % 17
    step = Fraction(drawn % 1_007 + 1, 1_009)
    return (1 + 2 * step, step, -2 * step, 3 + step, 2 * step)[point]


def _symbol(name: str, point: int) -> Value:
    if name == "pi":
        return _pi()
    if name == "e":
        return (libmp.mpf_e(PRECISION), _ZERO)
    if name == "i":
        return (_ZERO, libmp.fone)
    return symbol_point(name, point)


def _pi() -> Inexact:
    return (libmp.mpf_pi(PRECISION), _ZERO)


# -- arithmetic -----------------------------------------------------------------------------------


def inexact(value: Value) -> Inexact:
    """`value` as 400-bit floats."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, int):
        return (libmp.from_int(value, PRECISION, _MODE), _ZERO)
    top, bottom = value.numerator, value.denominator
    return (libmp.from_rational(top, bottom, PRECISION, _MODE), _ZERO)


def _magnitude(part: Real) -> int:
    """Binary exponent of a float; very small for zero."""
    return part[2] + part[3] if part[1] else -(1 << 60)


def add(a: Value, b: Value) -> Value:
    """Sum; a real or imaginary part that cancels becomes exactly zero."""
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return _sized(a + b)
    x, y = inexact(a), inexact(b)
    scale = max(_magnitude(x[0]), _magnitude(x[1]), _magnitude(y[0]), _magnitude(y[1]))
    return _checked(
        _settled(libmp.mpf_add(x[0], y[0], PRECISION, _MODE), scale),
        _settled(libmp.mpf_add(x[1], y[1], PRECISION, _MODE), scale),
    )


def _settled(part: Real, scale: int) -> Real:
    return _ZERO if _magnitude(part) < scale - _CANCELLED else part


def _checked(real: Real, imaginary: Real) -> Value:
    """Refuse infinities and what is not a number; turn an exact integer zero back into one."""
    for part in (real, imaginary):
        if not part[1] and part != _ZERO:
            raise UndefinedError("no finite value")
        if abs(part[2]) > 1 << 40:
            raise TooLargeError("a value beyond two to the power of two to the fortieth")
    if real == _ZERO and imaginary == _ZERO:
        return 0
    scale = max(_magnitude(real), _magnitude(imaginary))
    return (_settled(real, scale), _settled(imaginary, scale))


def _sized(value: int | Fraction) -> Value:
    bits = value.numerator.bit_length() + value.denominator.bit_length()
    if bits > MAX_BITS:
        raise TooLargeError(f"a number of more than {MAX_BITS} bits")
    if bits > 2_000:
        _spend((bits // 2_000) ** 2)
    return value.numerator if value.denominator == 1 else value


def negative(a: Value) -> Value:
    if isinstance(a, tuple):
        return (libmp.mpf_neg(a[0]), libmp.mpf_neg(a[1]))
    return -a


def multiply(a: Value, b: Value) -> Value:
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return _sized(a * b)
    return _checked(*libmp.mpc_mul(inexact(a), inexact(b), PRECISION, _MODE))


def divide(a: Value, b: Value) -> Value:
    if b == 0:
        raise UndefinedError("division by zero")
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return _sized(Fraction(a) / b)
    return _checked(*libmp.mpc_div(inexact(a), inexact(b), PRECISION, _MODE))


def power(a: Value, b: Value) -> Value:
    """`a` to the `b`, exact for rational `a` and integer `b` of bounded size, else principal."""
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
        return _sized(Fraction(a) ** b)
    if isinstance(b, Fraction) and not isinstance(a, tuple) and b.denominator <= 64:
        exact = _exact_root(a, b.denominator)
        if exact is not None:
            return power(exact, b.numerator)
    if a == 0:
        return 0
    _spend(20)
    base, exponent = inexact(a), inexact(b)
    if _magnitude(exponent[0]) > 64 or _magnitude(exponent[1]) > 64:
        raise TooLargeError("an exponent beyond two to the sixty-fourth")
    log_size = _magnitude(libmp.mpc_log(base, 60, _MODE)[0]) if base != (libmp.fone, _ZERO) else 0
    if log_size + max(_magnitude(exponent[0]), _magnitude(exponent[1])) > 40:
        raise TooLargeError("a power beyond the limits")
    if isinstance(b, int):
        return _checked(*libmp.mpc_pow_int(base, b, PRECISION, _MODE))
    return _checked(*libmp.mpc_pow(base, exponent, PRECISION, _MODE))


def _exact_root(a: int | Fraction, index: int) -> Value | None:
    """The exact real root of a perfect power, else None."""
    if a < 0 or index > 64:
        return None
    top, exact = _integer_root(a.numerator, index)
    if not exact:
        return None
    bottom, exact = _integer_root(a.denominator, index)
    return _sized(Fraction(top, bottom)) if exact else None


def _integer_root(n: int, index: int) -> tuple[int, bool]:
    if index == 1 or n < 2:
        return n, True
    if index == 2:
        root = math.isqrt(n)
        return root, root * root == n
    root = round(n ** (1 / index)) if n.bit_length() < 900 else 0
    return root, root > 0 and root**index == n


def root(a: Value, index: Value) -> Value:
    """Principal root, except that an odd root of a negative real is real."""
    index = whole(index)
    if index == 0:
        raise UndefinedError("a zeroth root")
    odd = isinstance(index, int) and index % 2 == 1
    if odd and not isinstance(a, tuple) and a < 0:
        return negative(root(-a, index))
    if odd and isinstance(a, tuple) and a[1] == _ZERO and a[0][0] == 1:
        return negative(root(negative(a), index))
    if index == 2 and isinstance(a, tuple):
        return _checked(*libmp.mpc_sqrt(a, PRECISION, _MODE))
    return power(a, divide(1, index))


def whole(value: Value) -> Value:
    """An inexact value that is a rational of small height, made exact; any other unchanged."""
    if not isinstance(value, tuple):
        return value.numerator if value.denominator == 1 else value
    if value[1] != _ZERO:
        return value
    found = rational(value[0])
    return value if found is None else (found.numerator if found.denominator == 1 else found)


def rational(part: Real) -> Fraction | None:
    """The fraction with a denominator below 10^15 that `part` agrees with to 60 digits, or None."""
    if part == _ZERO:
        return Fraction(0)
    if _magnitude(part) > 150 or _magnitude(part) < -60:
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


def _factorial(a: Value) -> Value:
    a = whole(a)
    if isinstance(a, int):
        _spend(100)
        if a < 0:
            raise UndefinedError("factorial of a negative integer")
        if a > MAX_FACTORIAL:
            raise TooLargeError(f"factorial of more than {MAX_FACTORIAL}")
        return math.factorial(a)
    return _gamma(add(a, 1))


def _gamma(a: Value) -> Value:
    _spend(400)
    x = inexact(a)
    if max(_magnitude(x[0]), _magnitude(x[1])) > 16:
        raise TooLargeError("factorial of a large number")
    return _checked(*libmp.mpc_gamma(x, PRECISION, _MODE))


# -- functions ------------------------------------------------------------------------------------


def _call(name: str, arguments: list[Value]) -> Value:
    if name in _WHOLE:
        return _whole_call(name, [whole(argument) for argument in arguments])
    (a,) = arguments
    if name == "abs":
        return size(a)
    if name in ("arcsin", "arccos", "arctan"):
        return _elementary(name, a)
    if name in ("arccot", "arcsec", "arccsc"):
        partner = {"arccot": "arctan", "arcsec": "arccos", "arccsc": "arcsin"}[name]
        return _elementary(partner, divide(1, a))
    if name in _RECIPROCAL:
        return divide(1, _elementary(_RECIPROCAL[name], a))
    if name in ("ln", "log"):
        if a == 0:
            raise UndefinedError("logarithm of zero")
        return 0 if a == 1 else _checked(*libmp.mpc_log(inexact(a), PRECISION, _MODE))
    if name == "exp" and _magnitude(inexact(a)[0]) > 40:
        raise TooLargeError("an exponential beyond the limits")
    return _elementary(name, a)


_RECIPROCAL = {"sec": "cos", "csc": "sin", "cot": "tan", "sech": "cosh", "csch": "sinh",
               "coth": "tanh"}  # fmt: skip
_ELEMENTARY = {
    "sin": libmp.mpc_sin, "cos": libmp.mpc_cos, "tan": libmp.mpc_tan, "sinh": libmp.mpc_sinh,
    "cosh": libmp.mpc_cosh, "tanh": libmp.mpc_tanh, "exp": libmp.mpc_exp,
    "arcsin": libmp.mpc_asin, "arccos": libmp.mpc_acos, "arctan": libmp.mpc_atan,
}  # fmt: skip


def _elementary(name: str, a: Value) -> Value:
    _spend(20)
    x = inexact(a)
    if max(_magnitude(x[0]), _magnitude(x[1])) > 64:
        raise TooLargeError(f"{name} of a large number")
    real, imaginary = _ELEMENTARY[name](x, PRECISION, _MODE)
    # Zeros such as sin(pi) come out as rounding noise of the argument.
    limit = min(0, _magnitude(x[0])) if name in ("sin", "tan", "sinh", "tanh") else 0
    return _checked(_settled(real, limit), _settled(imaginary, limit))


def size(a: Value) -> Value:
    """Absolute value of a number."""
    if not isinstance(a, tuple):
        return -a if a < 0 else a
    return _checked(libmp.mpc_abs(a, PRECISION, _MODE), _ZERO)


_WHOLE = frozenset(("floor", "ceil", "gcd", "lcm", "max", "min", "binom"))


def _whole_call(name: str, arguments: list[Value]) -> Value:
    if name in ("max", "min"):
        real = [real_fraction(argument) for argument in arguments]
        return arguments[real.index(max(real) if name == "max" else min(real))]
    if name in ("floor", "ceil"):
        value = real_fraction(arguments[0])
        rounded: int = math.floor(value) if name == "floor" else math.ceil(value)
        return rounded
    if name == "binom":
        return _binomial(*arguments)
    integers = [argument for argument in arguments if isinstance(argument, int)]
    if len(integers) != len(arguments):
        raise UndefinedError(f"{name} of what is no integer")
    return _sized(math.gcd(*integers) if name == "gcd" else math.lcm(*integers))


def real_fraction(value: Value) -> Fraction:
    if not isinstance(value, tuple):
        return Fraction(value)
    if value[1] != _ZERO or abs(_magnitude(value[0])) > 2_000:
        raise UndefinedError("a complex or enormous number where a real one is expected")
    return Fraction(*libmp.to_rational(value[0]))


def _binomial(n: Value, k: Value) -> Value:
    if isinstance(n, int) and isinstance(k, int):
        if k < 0 or n < 0:
            raise UndefinedError("a binomial of negative numbers")
        if n > 50_000 or min(k, n - k) > MAX_FACTORIAL:
            raise TooLargeError("a binomial beyond the limits")
        return _sized(math.comb(n, k))
    below = multiply(_gamma(add(k, 1)), _gamma(add(add(n, negative(k)), 1)))
    return divide(_gamma(add(n, 1)), below)


_BINARY = {"add": add, "mul": multiply, "div": divide, "pow": power, "root": root}


def close(a: Value, b: Value, *, bits: int) -> bool:
    """Whether `a` and `b` agree to `bits` binary digits."""
    difference = inexact(add(a, negative(b)))
    x, y = inexact(a), inexact(b)
    scale = max(_magnitude(x[0]), _magnitude(x[1]), _magnitude(y[0]), _magnitude(y[1]))
    return max(_magnitude(difference[0]), _magnitude(difference[1])) < scale - bits


# -- keys of values ------------------------------------------------------------------------------


def value_key(value: Value) -> object:
    """A hashable name of a number, the same for equal ones: exact, or 60 digits if irrational."""
    if not isinstance(value, tuple):
        return Fraction(value)
    real, imaginary = (_part_key(part) for part in value)
    return real if imaginary == 0 else (real, imaginary)


def _part_key(part: Real) -> object:
    found = rational(part)
    if found is not None:
        return found
    return libmp.mpf_pos(part, _KEY_BITS, _MODE)[:3]
