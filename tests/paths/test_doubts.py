"""What must never be called false, by kind, and what must be: relatives of real false alarms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mathtune.paths.equations import equations

GOLDEN = Path(__file__).parents[1] / "golden" / "equations.jsonl"

NEVER_FALSE = {
    "quotient": [
        r"629 ÷ 7 = 89 R6",
        r"629 / 7 = 89 r 6",
        r"629 / 7 = 89 (remainder 6)",
        r"629 / 7 = 89, remainder 6",
        r"629 / 7 = 89 with 6 left over",
        r"$629 \div 7 = 89$ remainder $6$",
        r"$100 \div 7 = 14$ R$2$",
        r"\[ \frac{629}{7} = 89 \text{ with a remainder of } 6 \]",
        r"When 47 is divided by 6, the quotient is $47 \div 6 = 7$ and the remainder is 5.",
        r"47 divided by 6: 47 / 6 = 7 rem 5.",
        r"We can fit 50 / 8 = 6 full boxes, with 2 left over.",
        r"The quotient is 2023 ÷ 17 = 119, remainder 0. Then 119 / 17 = 7.",
        r"$17 = 5 \cdot 3 + 2$, so $17 / 5 = 3$ with remainder $2$.",
        r"So he can buy 35 / 15 = 2 whole sets.",
        r"$\left\lfloor \frac{100}{7} \right\rfloor = 14$",
        r"$\lfloor 17/5 \rfloor = 3$",
        r"\[ 570 \div 160 = 3 \quad \text{(since } 160 \times 3 = 480 \text{)} \]",
        "$54 \\div 25 = 2$\nNow $54 - 2 \\cdot 25 = 4$, which gives us one more digit.",
        r"\[ 4 \div 5 = 0 \] So, the coefficient of 5 is 0.",
        r"100 / 30 = 3 trips with 10 people remaining",
        r"100 / 30 = 3 with 10 to spare",
        r"365 / 7 = 52 weeks and 1 day",
        r"75 / 60 = 1 hour 15 minutes",
        r"85 ÷ 4 = 21, R = 1",
        r"85 ÷ 4 = 21 Rest 1",
    ],
    "conversion": [
        r"\[ \frac{5 \text{ yaps}}{3} = 1 \text{ bap} \]",
        r"$v = \frac{1 \text{ km}}{9000 \text{ s}} = \frac{1000 \text{ meters}}{9000 \text{ s}}$",
    ],
    "remark": [r"$(-1) + (-1) + \cdots + (-1) \quad \text{(50 times)} = -50$"],
    "root": [r"$\sqrt[3]{3^{-3}} = 3^{-3/3} = 3^{-1}$", r"$\sqrt[3]{2^{6}} = 4$"],
    "refuted": [
        "\\[ 1 = 3 + 4 \\]\n\\[ 1 = 7 \\quad \\text{(False)} \\]",
        "\\[ 1 = 3 + 4 \\]\nSo, \\( x = 1 \\) is not a solution.",
        r"Substituting, \[ 2(3) + 4 = 12 \] This is false, so there is no solution.",
        r"Substituting gives $2(3)+4 = 12$. This is a contradiction.",
        r"If $x=2$, then $3(2) + 1 = 8$, which is false.",
        r"$3 \cdot 2 + 1 = 8$ is not true.",
        r"\[ \sqrt{2 \cdot 5 - 1} = 4 - 3 \] \[ 3 = 1 \] This does not hold; x = 5 is extraneous.",
        r"Since 5 + 3 = 9 is impossible, there is no such number.",
        r"We need to check whether 7 * 8 = 54.",
        r"Is 12^2 + 5^2 = 14^2? No.",
        r"Then 2 + 3 = 6, a contradiction.",
        r"But 4 + 4 = 9 does not hold.",
        r"But $2 \cdot 3 = 5$ fails.",
        r"$0 = 5 - 3$, which cannot be.",
        r"If there were 4 boxes, we would have 4 * 6 = 25, which is not the case.",
        r"2 + 2 ≠ 5",
        r"$2 + 2 \neq 5$",
        r"$3^2 + 4^2 = 26 \ne 25$",
    ],
    "division by zero": [
        r"At x = 3 the expression is $\frac{5}{0}$, which is undefined.",
        r"$\frac{5}{3-3} = \frac{5}{0}$ is undefined.",
        r"The slope is $\frac{4-1}{2-2} = \frac{3}{0}$, undefined.",
        r"$\frac{0}{0} = \frac{1-1}{2-2}$ is indeterminate.",
        r"$\tan 90^\circ = \frac{1}{0}$ is undefined.",
        r"1/0 = infinity",
        r"$\frac{1}{0} = \infty$",
    ],
    "percent": [
        r"$1.2 \times 25\% = 30\%$",
        r"25% + 35% = 60%",
        r"100% - 35% = 65%",
        r"60% - 20% = 0.4",
        r"$\frac{3}{8} = 37.5\%$",
        r"$\frac{3}{8} \times 100\% = 37.5\%$",
        r"$(12/48) \times 100 = 25\%$",
        r"5% of 200 = 10",
        r"20\% \cdot 150 = 30",
        r"$50 \times 110\% = 55$",
        r"0.15 * 40% = 6%",
        r"$\frac{1}{3} \times 100\% = 33.33\%$",
        r"80 + 25% = 100",
        r"120 - 50% = 60",
        r"$1 - 20\% = 80\%$",
    ],
    "congruence": [
        r"$7 \cdot 8 = 56 \equiv 1 \pmod{11}$",
        r"$7 \cdot 8 = 1 \pmod{11}$",
        r"$2^5 = 32 = 2 \pmod{10}$",
        r"$7^2 = 9 \pmod {10}$",
        r"3 * 5 = 1 (mod 7)",
        r"3 * 5 = 1 mod 7",
        r"Working modulo 7, we have 3 * 5 = 1, so the inverse of 3 is 5.",
        r"The units digit: 7 * 7 = 9, so the units digit of 7^2 is 9.",
        r"$3^{-1} = 5$ since $3 \cdot 5 \equiv 1 \pmod 7$",
        r"10 + 5 = 3 o'clock",
        r"In Z_7, 3*4 = 5.",
        r"In $\mathbb{Z}_7$, $3 \cdot 4 = 5$",
        r"Over the field $\mathbb{F}_7$ we have $3 \cdot 4 = 5$.",
        r"In Z/7Z: 3*4 = 5",
        r"3*4 = 5 mod7",
        r"7 + 8 = 3 on a 12-hour clock",
    ],
    "logarithm, index": [
        r"$\log_2 8 = 3$",
        r"$\log_{10} 100 + 1 = 3$",
        r"log_2(8) + 1 = 4",
        r"The log base 2 of 8 = 3",
        r"log 100 = 2",
        r"$\ln e = 1$",
        r"$\log_3 9 \cdot 2 = 4$",
        r"$x_{1} + x_2 = 8$, $x_1 = 3$ and $x_2 = 5$",
        r"$a_3 = a_2 + 2 = 5 + 2 = 7$",
        r"S_5 = 5 * 6 / 2 = 15",
        r"$T_{12} = 12 \cdot 13 / 2 = 78$",
        r"$a_{n} = 2n + 1$, so $a_4 = 2 \cdot 4 + 1 = 9$",
        r"x1 = 3, x2 = 5, x1 + x2 = 8",
    ],
    "factorial": [
        r"$\frac{6!}{4!} = 30$",
        r"$\frac{5!}{2!3!} = 10$",
        r"$4! = 24$ ways",
        r"There are 3! = 6 ways!",
        r"So he has 5 + 3 = 8!",
        r"$0! = 1$",
        r"$\binom{6}{2} = 15$",
        r"6C2 = 15",
    ],
    "spelling": [
        r"$1{,}200 + 300 = 1{,}500$",
        r"$1{,}200{,}000 / 2 = 600{,}000$",
        r"$1\,200 + 300 = 1\,500$",
        r"$2{,}000 \cdot 3 = 6{,}000$",
        r"½ + ¼ = ¾",
        r"2½ * 2 = 5",
        r"|-5| + 3 = 8",
        r"$|3 - 8| = 5$",
        r"$\left|-7\right| \cdot 2 = 14$",
        r"5² + 12² = 13²",
        r"2³ * 10⁻² = 0.08",
        r"3x4 = 12",
        r"100 - 20% = 80",
        r"1'200 + 300 = 1'500",
        r"3,14 * 2 = 6,28",
        r"12,5 + 7,5 = 20,0",
        r"-$5 + $8 = $3",
        r"√9 + ∛27 = 6",
        r"15 percent of 80 = 12",
        r"3 ✕ 5 ＝ 15",
        r"3 x 5 x 2 = 30",
    ],
    "base": [
        r"$44_7 + 1_7 = 45_7$",
        r"In base 7, 66 + 1 = 100.",
        r"1011 in base 2: 101 + 1 = 110 in base 2",
        r"$12_{5} = 7$",
    ],
    "others": [
        r"3.14 * 5^2 = 78.5",
        r"$\sqrt{2} = 1.414$ (approximately), so 10 * 1.414 = 14.14",
        r"The 3-4-5 triangle: 6-8-10 = 3-4-5 doubled",
        r"$\frac{1 \text{ mile}}{1.6 \text{ km}} = 1$",
        r"1/2 hour = 30 minutes",
        r"4 pounds - 6 ounces = 58 ounces",
        r"6 feet 2 inches = 6 * 12 + 2 = 74 inches",
        r"Price per apple = Price of 4 apples / 4 = $5.20 / 4 = $1.30",
        r"5 dozen = 5 * 12 = 60",
        r"Number of 2x4x10 boards = 10",
        r"$2(3) = 6$ and $(2)(3) = 6$",
        r"The average of 3 + 4 + 5 = 4",
        r"half of 12 + 4 = 16 / 2 = 8",
        r"50 less than 75 + 100 = 125",
        r"5 times 3 + 2 = 17",
        r"$2 * 3 = 2^3 + 3 = 11$, since $a * b = a^b + b$",
        r"$f(2) = 2^2 + 1 = 5$",
        r"5kg + 3kg = 8kg",
        r"12,000MB = 12 * 1000MB",
        r"$-3^2 = -9$",
        r"$0.\overline{3} \cdot 3 = 1$",
        r"$0.1\overline{6} = \frac{1}{6}$",
        r"1000 * 1.05^2 = 1103, rounded to the nearest dollar",
        r"2/3 = 0.67 (rounded to two decimals)",
        r"10 / 3 ≈ 3.33",
        r"sqrt(50) = 7.07",
        r"1000 * 1.05^10 = 1628.89",
        r"350 / 12 = 29.17 rounds to 29",
        r"1/3 = 0.3 repeating",
        r"$\frac{10}{3} \approx 3.33$",
        r"The total is about 3.3 * 3 = 10",
        r"15 / 4 = 3 3/4",
        r"10 / 4 = 2 and a half",
        r"9 / 4 = 2 and one quarter hours",
        r"- 3 + 5 = 2",
        r"$15 \div 4 = 3\frac{3}{4}$",
        r"9:00 + 5 hours = 14:00",
        r"9 + 5 = 2 p.m.",
        r"$\sum_{i=1}^{4} i = 1 + 2 + 3 + 4 = 10$",
        r"$1 + 2 + \cdots + 10 = 55$",
        r"$3 \text{ hours} \times 60 \text{ minutes/hour} = 180 \text{ minutes}$",
        r"$\sin 30^\circ + \cos 60^\circ = 1$",
        r"$90^\circ + 45^\circ = 135^\circ$",
        r"$i^2 = -1$ and $(2i)^2 = -4$",
        r"$\gcd(12, 18) = 6$ and lcm(4, 6) = 12",
        r"$10 \pm 2 = 12, 8$",
    ],
}
FALSE = [
    r"The total is 18 * 7 = 136.",
    r"$18 \times 7 = 136$",
    r"\[ 18 \cdot 7 = 136 \]",
    r"25% + 35% = 70%",
    r"20% of 150 = 40",
    r"$1.2 \times 25\% = 40\%$",
    r"100 - 20% = 70",
    r"$5! = 125$",
    r"$4! + 1 = 26$",
    r"$\binom{6}{2} = 16$",
    r"$1{,}200 + 300 = 1{,}600$",
    r"1,200 + 300 = 1,600",
    r"$1\,200 + 300 = 1\,600$",
    r"½ + ¼ = 1",
    r"|-5| + 3 = 9",
    r"$|3 - 8| = 6$",
    r"5² + 12² = 14²",
    r"3x4 = 13",
    r"2(3) + 4 = 12",
    r"42 / 8 = 6 1/4",
    r"48 / 8 = 5",
    r"$a_{10} = 3 \cdot 10 + 2 = 33$",
    r"He has 16 - 3 - 4 = 8 eggs. He sells them at $2 each, so 8 * 2 = $16.",
    r"\begin{align*} 3x &= 21 - 6 \\ &= 14 \end{align*}",
    r"3 apples + 4 apples = 8 apples",
    r"So she earns $12 * 5 = $65 a day.",
    r"$\frac{3}{4} \cdot 8 = 5$",
    r"$\sqrt{16} + 2 = 7$",
    r"Then 45 + 38 = 73. This is not enough to buy the bike.",
    r"5kg + 3kg = 9kg",
    r"So he has 5 + 3 = 9!",
    r"$0.\overline{3} \cdot 3 = 2$",
    r"$\lfloor 17/5 \rfloor = 4$",
    r"Total cost = 3 * $15 = $40",
    r"10 + 5 = 16 apples",
    r"In base 7, 66 + 1 = 101.",
    r"He rounds nothing: 10 / 4 = 3",
    r"2 + 2 = 5",
    r"7 * 8 = 54. However, she needs 60.",
    r"$2^{10} = 1000$",
    r"The area is 6 × 7 = 48 square feet.",
    r"$3 \text{ hours} \times 60 \text{ minutes/hour} = 190 \text{ minutes}$",
    r"15 - 8 = 6 left.",
    r"$\sqrt[3]{2^{6}} = 5$",
    r"\[ 570 \div 160 = 3 \quad \text{(since } 160 \times 4 = 640 \text{)} \]",
    r"\[ 7 \div 5 = 0 \]",
    r"$\frac{120 \text{ miles}}{2 \text{ hours}} = 65 \text{ mph}$",
    r"$\frac{6 \text{ apples}}{3} = 1 \text{ apple}$",
    r"1'200 + 300 = 1'600",
    r"-$5 + $8 = $4",
    r"√9 + ∛27 = 7",
    r"15 percent of 80 = 14",
    r"42 / 8 = 5, and 2 + 3 = 5",
    r"3 ✕ 5 ＝ 16",
    r"（3＋5）×2＝17，所以答案是17。",
    r"3 x 5 x 2 = 32",
    r"- 3 + 5 = 9",
    r"10 / 4 = 3 and a bit",
    r"US$5 + US$3 = US$9",
    r"Rs. 500 + Rs. 300 = Rs. 900",
    r"5 USD + 3 USD = 9 USD",
    r"`3 + 4 = 8`",
    r"3 + 4 = \color{red}{8}",
    r"3 + 4 = $\underline{8}$",
    r"sqrt(50) = 7.17",
    r"1000 * 1.05^10 = 1728.89",
]


def false(text: str) -> list[str]:
    return [equation.text for equation in equations(text) if equation.holds is False]


@pytest.mark.parametrize(
    "text", [text for texts in NEVER_FALSE.values() for text in texts], ids=lambda text: text[:40]
)
def test_never_called_false(text: str) -> None:
    assert false(text) == []


@pytest.mark.parametrize("text", FALSE, ids=lambda text: text[:40])
def test_called_false(text: str) -> None:
    assert len(false(text)) == 1


@pytest.mark.parametrize(
    "row", map(json.loads, GOLDEN.read_text().splitlines()), ids=lambda row: row["text"][:40]
)
def test_cases(row: dict[str, object]) -> None:
    assert [list(equation) for equation in equations(str(row["text"]))] == row["equations"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        # The same equation with the words that excuse it, and without.
        ("$42 \\div 8 = 5$ with a remainder of $2$", None),
        ("$42 \\div 8 = 5$", False),
        ("$42 \\div 8 = 6$ with a remainder of $2$", None),  # rounded up
        ("$42 \\div 8 = 4$ with a remainder of $2$", False),
        ("75 / 60 = 1 hour 15 minutes", None),
        ("75 / 60 = 1 hour 25 minutes", False),
        ("75 / 60 = 2 hours 15 minutes", False),
        ("In Z_7 we have 3*4 = 5", None),
        ("In Z_7 we have 3*4 = 6", False),
        ("$7 \\cdot 8 = 1$, counted modulo $11$", None),
        ("$7 \\cdot 8 = 2$, counted modulo $11$", False),
        ("16 / 6 = 2.67, rounded to the cent", None),
        ("16 / 6 = 2.67", False),
        ("16 / 6 = 2.57, rounded to the cent", False),
        ("60 * 0.0833 = 5", None),
        ("60 * 0.08 = 5", False),
        ("4 * 25 = 1, since each costs 25 cents", None),
        ("4 * 25 = 2, since each costs 25 cents", False),
        ("In base 8 we have 7 + 1 = 10", None),
        ("In base 8 we have 7 + 1 = 12", False),
        ("$110110 = 10111 + 11111$", None),
        ("$110111 = 10111 + 11111$", False),
        ("$11011 = 2^4 + 2^3 + 2 + 1$", None),
        ("$-1^{2004} = 1$", None),
        ("$-1^{2004} = 2$", False),
        ("The areas are as $2^2 : 1^2 = 4 : 1$", None),
        ("1,230 + 560 = 1,800 to the nearest hundred", None),
        ("1,230 + 560 = 1,795 to the nearest hundred", False),
        ("1,200 + 570 = 1,800 to the nearest hundred", None),
        ("10 - 2 = 17 / 2, approximately", False),  # no number is rounded
        ("17 / 5 = 3 * 5 + 2", None),  # the division written out
        ("17 / 5 = 3 * 5 + 3", False),
        ("The slope is undefined at 1. Elsewhere 5 / 0 = 3.", None),
        ("The slope is undefined at 1. Elsewhere 2 + 2 = 5.", False),
        ("Define a * b = a + 2b. Then 2 * 3 = 8.", None),
        ("Exercises 1-6 = 4 + 3", None),  # a range
        ("1-6 = 4 + 3", False),
    ],
)
def test_the_numbers_must_fit_the_words(text: str, holds: bool | None) -> None:
    found = equations(text)
    assert (found[-1].holds if found else None) is holds


def test_what_is_refuted_later_is_not_claimed() -> None:
    claim = "\\[ 2(3) + 4 = 12 \\]\n\\[ 10 = 12 \\]\n"
    assert false(claim + "This is a contradiction, so there is no such x.") == []
    assert false(claim + "This is what each of them has to pay in the end.") == ["2(3)+4=12"]
    tried = "Let x = 1:\n" + displayed("3^2 + 19 = 10", "9 + 19 = 10")
    assert false(tried + displayed("28 \\neq 10") + "Let x = 2.") == []
    assert false(tried + "28 != 10") == []
    assert false(tried + displayed("x \\neq 10")) == ["3^2+19=10", "9+19=10"]
    # Only what takes the equation up refutes it.
    assert false("Then 5 * 9 = 46. Tom is not the same age as Ann or their friend Ben.") == [
        "5*9=46"
    ]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["1+1=3, this is not ", "1-2=5 pounds 3-4=7 oz ", "1+1=3 about\n", "|1|=2 ", "5!=1 "]
)
def test_hostile_text_is_read_to_its_end(piece: str) -> None:
    equations(piece * 20_000)


def displayed(*formulas: str) -> str:
    return "".join(f"\\[\n{formula}\n\\]\n" for formula in formulas)


def test_only_steps_to_a_refuted_equation_are_taken_back() -> None:
    steps = [r"1 = \sqrt{2 + 7} + 4", r"1 = \sqrt{9} + 4", "1 = 3 + 4", "1 = 7"]
    assert false(displayed(*steps) + "This is not true.") == []
    assert len(false(displayed(*steps) + "So the answer is 7.")) == 3
    others = displayed(r"2 = \sqrt{2 + 7} + 4", r"1 = \sqrt{16} + 4", *steps[2:])
    found = false(others + "This is not true.")
    assert found == ["2=((2+7)^(1/2))+4", "1=((16)^(1/2))+4"]
