r"""The value of an expression's tree at fixed points. What canonical keys are made of.

Two expressions are equal up to algebra exactly if they agree at every point. A polynomial or
rational identity is decided by exact arithmetic at three points that no text can foresee; other
expressions are compared to 60 digits. Numbers stay exact as long as they are rational.
"""

import math
from fractions import Fraction
from zlib import crc32

from mpmath import libmp

from mathtune.answers.latex.lexer import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node
from mathtune.answers.values.numbers import (
    MODE,
    PRECISION,
    ZERO,
    Inexact,
    UndefinedError,
    Value,
    add,
    checked,
    divide,
    inexact,
    magnitude,
    multiply,
    negative,
    power,
    real_fraction,
    root,
    settled,
    size,
    sized,
    spend,
    whole,
)

MAX_FACTORIAL = 3_000
POINTS = 3
POSITIVE_POINTS = (0, 1, 3, 4)


def evaluate(node: Node, point: int = 0) -> Value:
    """The value of `node` with its symbols at the `point`-th of POINTS places.

    Runs inside `metered()`.

    >>> from mathtune.answers.values.numbers import metered
    >>> with metered():
    ...     evaluate(("div", ("num", 2), ("num", 4)))
    Fraction(1, 2)
    """
    spend(1)
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
        return (libmp.mpf_e(PRECISION), ZERO)
    if name == "i":
        return (ZERO, libmp.fone)
    return symbol_point(name, point)


def _pi() -> Inexact:
    return (libmp.mpf_pi(PRECISION), ZERO)


def _factorial(a: Value) -> Value:
    a = whole(a)
    if isinstance(a, int):
        spend(100)
        if a < 0:
            raise UndefinedError("factorial of a negative integer")
        if a > MAX_FACTORIAL:
            raise TooLargeError(f"factorial of more than {MAX_FACTORIAL}")
        return math.factorial(a)
    return _gamma(add(a, 1))


def _gamma(a: Value) -> Value:
    spend(400)
    x = inexact(a)
    if max(magnitude(x[0]), magnitude(x[1])) > 16:
        raise TooLargeError("factorial of a large number")
    try:
        found = libmp.mpc_gamma(x, PRECISION, MODE)
    except ValueError:
        raise UndefinedError("a factorial at a pole") from None
    return checked(*found)


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
        return 0 if a == 1 else checked(*libmp.mpc_log(inexact(a), PRECISION, MODE))
    if name == "exp" and magnitude(inexact(a)[0]) > 40:
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
    spend(20)
    x = inexact(a)
    if max(magnitude(x[0]), magnitude(x[1])) > 64:
        raise TooLargeError(f"{name} of a large number")
    real, imaginary = _ELEMENTARY[name](x, PRECISION, MODE)
    # Zeros such as sin(pi) come out as rounding noise of the argument.
    limit = min(0, magnitude(x[0])) if name in ("sin", "tan", "sinh", "tanh") else 0
    return checked(settled(real, limit), settled(imaginary, limit))


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
    return sized(math.gcd(*integers) if name == "gcd" else math.lcm(*integers))


def _binomial(n: Value, k: Value) -> Value:
    if isinstance(n, int) and isinstance(k, int):
        if k < 0 or n < 0:
            raise UndefinedError("a binomial of negative numbers")
        if n > 50_000 or min(k, n - k) > MAX_FACTORIAL:
            raise TooLargeError("a binomial beyond the limits")
        return sized(math.comb(n, k))
    below = multiply(_gamma(add(k, 1)), _gamma(add(add(n, negative(k)), 1)))
    return divide(_gamma(add(n, 1)), below)


_BINARY = {"add": add, "mul": multiply, "div": divide, "pow": power, "root": root}
