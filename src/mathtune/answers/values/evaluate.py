r"""The value of an expression's tree at fixed points. Under the canonical keys.

Two expressions are equal up to algebra if and only if they agree at every point. A polynomial or
rational identity is decided by exact arithmetic at three points that no text can foresee; other
expressions are compared to 60 digits. Numbers stay exact as long as they are rational.
"""

import math
from collections.abc import Container
from fractions import Fraction
from zlib import crc32

from mpmath import libmp

from mathtune.answers.latex.limits import NotMathError, TooLargeError
from mathtune.answers.latex.nodes import Node, replaced
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
    value_key,
    whole,
)

MAX_FACTORIAL = 3_000
POINTS = 3
STEP_POINTS = 10
INNER_POINTS = 4
"""So many points after the STEP_POINTS lie between -1 and 1."""
POSITIVE_POINTS = (0, 1, 3, 4)


def evaluate(node: Node, point: int = 0) -> Value:
    """Return the value of `node` with its symbols at the `point`-th of POINTS places.

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
        if node[1] in ("gcd", "lcm") and symbols(node):
            parts = sorted(_name(argument, point) for argument in node[2:])
            return _drawn(node[1], *parts)
        arguments = [evaluate(argument, point) for argument in node[2:]]
        return _call(node[1], arguments)
    if kind == "series":
        return _series(node, point)
    if kind == "opaque":
        return _drawn(*(p if isinstance(p, str) else _name(p, point) for p in node[1:]))
    raise NotMathError(f"{kind} has no single value")


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the variables in `node`.

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
INFINITIES: tuple[Node, ...] = (("inf",), ("neg", ("inf",)))
STEPS = frozenset(("abs", "floor", "ceil", "mod", "max", "min"))
"""Functions with corners or jumps, which few points may miss."""


def calls(node: Node, names: Container[str]) -> bool:
    """Return True if a function of these names, of a variable, is in `node`.

    >>> calls(("call", "abs", ("sym", "x")), STEPS), calls(("call", "abs", ("num", -2)), STEPS)
    (True, False)
    """
    if node[0] == "call" and node[1] in names and symbols(node):
        return True
    return any(calls(child, names) for child in node[1:] if isinstance(child, tuple) and child)


def symbol_point(name: str, point: int) -> Fraction | int:
    """Return a symbol's fixed value: above 1, between 0 and 1, negative; for k, n a positive
    integer.

    Points 3 and 4 are positive too, for comparisons that hold only where roots are real; from 5 on
    they lie far out on both sides, for functions with jumps.
    """
    drawn = crc32(f"{name}/{point}".encode())
    if name in ("n", "k"):
        return 5 + 17 * point + drawn % 17
    step = Fraction(drawn % 1_007 + 1, 1_009)
    if point >= STEP_POINTS:
        return step / (1 - 2 * (point % 2)) / (point - STEP_POINTS + 1)
    if point > 4:
        return (1 - 2 * (point % 2)) * (4 + (point - 5) ** 2 * step + drawn % 7)
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


def _drawn(*parts: str) -> Fraction:
    """Return a stand-in for a value that is not computed: the same for the same parts."""
    spend(20)
    return Fraction(crc32("/".join(parts).encode()) % 1_000_003 + 1, 1_000_033)


def _name(node: Node, point: int) -> str:
    if node in INFINITIES:
        return repr(node)
    try:
        return repr(value_key(evaluate(node, point)))
    except UndefinedError:
        return "undefined"


_MOST_TERMS = 1_000


def _series(node: Node, point: int) -> Value:
    """Compute a sum or product with whole bounds; any other is not computed."""
    _, kind, variable, low, high, body = node
    endless = low in INFINITIES or high in INFINITIES
    ends = (0, 0) if endless else (evaluate(low, point), evaluate(high, point))
    first, last = map(whole, ends)
    named = endless or symbols(low) or symbols(high)
    if named or not isinstance(first, int) or not isinstance(last, int):
        bound = replaced(body, variable, ("sym", "bound variable"))
        return _drawn(kind, *(_name(part, point) for part in (low, high, bound)))
    if last - first > _MOST_TERMS:
        raise TooLargeError(f"more than {_MOST_TERMS} terms")
    total: Value = 0 if kind == "sum" else 1
    for place in range(first, last + 1):
        term = evaluate(replaced(body, variable, ("num", place)), point)
        total = add(total, term) if kind == "sum" else multiply(total, term)
    return total


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
    if name == "semifact":
        return _semifactorial(whole(a))
    if name in INVERSE_HYPERBOLIC:
        return _inverse_hyperbolic(name, a)
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
    # A zero such as sin(pi) comes out as rounding noise of the argument.
    limit = min(0, magnitude(x[0])) if name in ("sin", "tan", "sinh", "tanh") else 0
    return checked(settled(real, limit), settled(imaginary, limit))


INVERSE_HYPERBOLIC = {"arccoth": "arctanh", "arcsech": "arccosh", "arccsch": "arcsinh",
                       "arcsinh": "", "arccosh": "", "arctanh": ""}  # fmt: skip


def _inverse_hyperbolic(name: str, a: Value) -> Value:
    """Compute it by logarithms: arsinh a = ln(a + sqrt(a^2 + 1)), and so on; principal values."""
    if INVERSE_HYPERBOLIC[name]:
        return _inverse_hyperbolic(INVERSE_HYPERBOLIC[name], divide(1, a))
    if name == "arctanh":
        above, below = _call("ln", [add(1, a)]), _call("ln", [add(1, negative(a))])
        return divide(add(above, negative(below)), 2)
    if name == "arcsinh":
        side = root(add(multiply(a, a), 1), 2)
    else:
        side = multiply(root(add(a, 1), 2), root(add(a, -1), 2))
    return _call("ln", [add(a, side)])


def _semifactorial(a: Value) -> Value:
    """Return n!! = n (n - 2) (n - 4) ..."""
    if not isinstance(a, int) or a < -1:
        raise UndefinedError("a double factorial of no natural number")
    if a > MAX_FACTORIAL:
        raise TooLargeError(f"a double factorial of more than {MAX_FACTORIAL}")
    spend(100)
    return math.prod(range(a, 0, -2))


_WHOLE = frozenset(("floor", "ceil", "gcd", "lcm", "max", "min", "binom", "mod"))


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
    if name == "mod":
        a, b = arguments
        quotient = divide(a, b)
        return add(a, multiply(-math.floor(real_fraction(quotient)), b))
    exact = [Fraction(argument) for argument in arguments if not isinstance(argument, tuple)]
    if len(exact) != len(arguments):
        raise UndefinedError(f"{name} of an irrational number")
    # Of fractions: gcd(a/b, c/d) = gcd(ad, cb) / bd.
    scale = math.lcm(*(value.denominator for value in exact))
    spend(scale.bit_length() // 100)
    integers = [int(value * scale) for value in exact]
    found = math.gcd(*integers) if name == "gcd" else math.lcm(*integers)
    return sized(Fraction(found, scale))


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
