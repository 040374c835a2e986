r"""Extraction: each rule by hand, what must not match, and the gold solutions of MATH and GSM8K."""

import gzip
import json
from pathlib import Path

import pytest

from mathtune.answers import Answer, compare, extract
from mathtune.answers.extract import ExtractRule

FOUND = [
    (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "boxed"),
    (r"first \boxed{1}, then $\boxed{2}$", "2", "boxed"),
    (r"\boxed{\boxed{5}}", r"\boxed{5}", "boxed"),
    (r"\fbox{7}", "7", "boxed"),
    (r"$\boxed 2$ is it", "2", "boxed"),
    (r"$\boxed 12$", "12", "boxed"),
    (r"$\boxed \frac{1}{2}$", r"\frac{1}{2}", "boxed"),
    (r"so \boxed\frac{1}{2} it is", r"\frac{1}{2}", "boxed"),
    (r"\boxed5", "5", "boxed"),
    (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}", "boxed"),
    (r"The values are \boxed{3}, \boxed{5}, \boxed{7}", "3, 5, 7", "boxed"),
    (r"$\boxed{3}$ and $\boxed{5}$", "3, 5", "boxed"),
    (r"\boxed{x=1} \text{ or } \boxed{x=2}", "x=1 or x=2", "boxed"),
    (r"$s=\boxed{4}$, $t=\boxed{9}$", "s = 4, t = 9", "boxed"),
    (r"\begin{align*} s &= \boxed{4} \\ t &= \boxed{9} \end{align*}", "s = 4, t = 9", "boxed"),
    (r"\boxed{4} so that $t = \boxed{9}$", "9", "boxed"),
    (r"(a) \boxed{4} (b) \boxed{9}", "4, 9", "boxed"),
    (r"\boxed{4}\text{ for part (a) and }\boxed{9}", "4, 9", "boxed"),
    (r"\boxed{4} cats and \boxed{9} dogs", "4, 9", "boxed"),
    (r"\boxed{4} is wrong and \boxed{9}", "9", "boxed"),
    (r"\boxed{4}$ $\boxed{9}", "4, 9", "boxed"),
    (r"\boxed{4} + \boxed{9}", "9", "boxed"),
    (r"\\boxed{4}. Then \\boxed{9}", "9", "boxed"),
    ("It is <|begin_of_box|>4 m<|end_of_box|>", "4 m", "boxed"),
    (r"\beginboxed{4}", "4", "boxed"),
    (r"\boxed{5}, that is \boxed{5}", "5", "boxed"),
    (r"First \boxed{3}. Then \boxed{5}", "5", "boxed"),
    (r"\boxed{3 and so on \boxed{4}", "4", "boxed"),
    ("\\boxed{27} at first.\n\n#### 28", "28", "hashes"),
    ("\\boxed{x} holds in this limit.\n\n**Answer: D**", "D", "phrase"),
    (r"\boxed{18}. The answer is correct, as we checked.", "18", "boxed"),
    (r"\boxed{18}. Is it a coincidence that the answer is 24?", "18", "boxed"),
    (r"\boxed{18}. We check our answer: 9 + 9 = 18.", "18", "boxed"),
    ("<answer>\n42\n</answer>", "42", "tag"),
    ("<answer>Tom has 42 apples.</answer>", "42", "tag"),
    (r"<answer> \boxed{42} </answer>", "42", "boxed"),
    ("<answer>The answer is 42.</answer>", "42", "phrase"),
    ("so <answer>42", "42", "tag"),
    ("**Final Answer**\n\n$42$", "42", "section"),
    ("**Final Answer:**\n\n$42$", "42", "section"),
    ("**Answer**\n\n42", "42", "section"),
    ("### Final Answer\n\\[\n42\n\\]\n", "42", "section"),
    ("### Final Answer:\nThe hospital makes a profit of $10,000 each day.", "10,000", "section"),
    ("_Answer: 42_", "42", "phrase"),
    ("*Answer: 42*", "42", "phrase"),
    ('{"reasoning": "5 * 8 + 2", "answer": "42"}', "42", "key"),
    ('{"final_answer": 42}', "42", "key"),
    ('{"answer": "\\\\frac{1}{2}"}', r"\frac{1}{2}", "key"),
    (r"$\text{Answer: }42$", "42", "phrase"),
    (r"\(\textbf{Answer: } \frac{1}{2}\)", r"\frac{1}{2}", "phrase"),
    ("Answer: $42$ (since 6 * 7 = 42)", "42", "phrase"),
    ("the answer is 42, not 41", "42", "phrase"),
    ("The answer is 42 rather than 41.", "42", "phrase"),
    ("#### 42</s>", "42", "hashes"),
    ("The answer is 42.<|im_end|>", "42", "phrase"),
    ("The answer is 42<|eot_id|><|start_header_id|>user<|end_header_id|>\n#### 9", "42", "phrase"),
    ("The answer is 42<end_of_turn>\n", "42", "phrase"),
    ("The answer is 8.\n\nProblem: And 3?\nThe answer is 3.", "8", "phrase"),
    ("The answer is 8.\n\nQ: And 3?\nA: 3", "8", "phrase"),
    ("It is 4 + 4. The answer is 8.\nHuman: thanks! What is 3?\nThe answer is 3.", "8", "phrase"),
    ("<think>\\boxed{5}? No.</think>\n\n#### 7", "7", "hashes"),
    ("<|channel|>analysis<|message|>\\boxed{5}<|end|><|channel|>final<|message|>#### 7<|return|>",
     "7", "hashes"),
    ("[THINK]\\boxed{5}[/THINK]The answer is 7.", "7", "phrase"),
    ("<reasoning>\\boxed{5}</reasoning> The answer is 7.", "7", "phrase"),
    (r"\boxed{}, so \boxed{ 6 }", "6", "boxed"),
    (r"\boxed {8}", "8", "boxed"),
    (r"#### 5, no: \boxed{9}", "9", "boxed"),
    ("3 + 4 = 7\n#### 7", "7", "hashes"),
    ("#### $1,200\n", "$1,200", "hashes"),
    ("#### 7\n\nQuestion: what next?", "7", "hashes"),
    ("It is so.\n\n# Answer\n\n468", "468", "section"),
    ("Steps.\r\n\r\n# Answer\r\n\r\n468\r\n", "468", "section"),
    ("Steps.\n\n## Final Answer:\n\nx = 3\n\nThat is all.", "x = 3", "section"),
    ("Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}",
     "minerva"),
    ("Final Answer: The final answer is 3.5. I hope it is correct.", "3.5", "minerva"),
    # Lower case is longer than "İ"; "ſ" is an "s" where case does not count.
    ("İİ. The final answer is 3.5. I hope it is correct.", "3.5", "minerva"),
    ("The answers:\n\nAnſwer:\n468", "468", "section"),
    ("The answer is 42.", "42", "phrase"),
    ("The answer is 3.14.", "3.14", "phrase"),
    ("so the final answer is: **$12$**.", "12", "phrase"),
    ("The answer is 5. The answer is 6, because it is.", "6", "phrase"),
    ("The answer is 5 because 2 + 3 = 5.", "5", "phrase"),
    ("The answers are 3 and 4.", "3 and 4", "phrase"),
    ("Answer: $x^2$", "x^2", "phrase"),
    ("**Answer:** 10", "10", "phrase"),
    ("The answer to the question is \\(7\\).", "7", "phrase"),
    ("He has 26.\nA: 26", "26", "label"),
    ("A: 3\nA: 4", "4", "label"),
]  # fmt: skip


@pytest.mark.parametrize(("solution", "text", "rule"), FOUND)
def test_finds_the_marked_answer(solution: str, text: str, rule: str) -> None:
    assert extract(solution) == Answer(text, rule)


@pytest.mark.parametrize(
    "solution",
    [
        "",
        "I count 7 of them.",
        r"\boxed{",
        r"\boxed{3} and then \boxed{4",
        r"First \boxed{5}. No: the answer must be \boxed{7",
        "<think>\nLet me try \\boxed{5}",
        "<think>\\boxed{5}</think>",
        "I start. <think> It is \\boxed{5}, or",
        "analysisWe need 5, so \\boxed{5}",
        "<answer></answer>",
        "The answer is not easy to find, is it?",
        r"so the answer is \boxed{}",
        "#### Step 2: add\nthen 5 more",
        "### 5 more\nand on",
        "A: apples\nB: pears\nC: plums",
        "The answer is not 5",
        "answers are hard to find",
    ],
)
def test_never_guesses(solution: str) -> None:
    assert extract(solution) is None


@pytest.mark.parametrize(
    ("solution", "number"),
    [
        ("He pays $1,234.50 in all.", "1,234.50"),
        ("3 - 5 = -2", "-2"),
        ("from 10-12", "12"),
        ("so x=−4.", "−4"),
        ("it is .5", ".5"),
        ("In 5 days (or 6).", "6"),
        ("from 7 to ٣", "7"),
        ("word " * 100 + "9 " + "word " * 100, "9"),
    ],
)
def test_last_number_only_where_asked_for(solution: str, number: str) -> None:
    assert extract(solution) is None
    assert extract(solution, rule="last-number") == Answer(number, "last-number")


@pytest.mark.parametrize(
    ("solution", "text", "rule"),
    [
        ("He pays $1,234.50 in all.", "1,234.50", "last-number"),
        ("3 * 6 = 18, so there are 18 nuts. I hope this helps!", "18", "last-number"),
        (r"Therefore, the total is \(\$694\).", r"\$694", "last-formula"),
        (r"So we get $x = \frac{1}{2}$.", r"x = \frac{1}{2}", "last-formula"),
        (r"So $2 + 3 = 5$.", "5", "last-formula"),
        ("So it costs $5 a day, and $7 on Sundays.", "7", "last-number"),
        ("Hence\n\\[\n  x^2 + 1\n\\]\nas was asked.", "x^2 + 1", "last-formula"),
        (r"\frac{1}{2}", r"\frac{1}{2}", "last-formula"),
        (
            "x = 6 / 2\nx = 3\n\nSo the solution is:\nx = 3, y = -14",
            "x = 3, y = -14",
            "last-formula",
        ),
        ("2x = 6, so x = 3.\n\nThe solution is:\nx = 3\ny = 4", "x = 3, y = 4", "last-formula"),
        (r"So:\n\[ x = -7, \quad y = 23 \]", "x = -7, y = 23", "last-formula"),
        ("Therefore, $x = 3$ and $y = 0.5$.", "x = 3, y = 0.5", "last-formula"),
        ("18 + 3 = 21\nTherefore, he will be 21 years old in 3 years.", "21", "last-number"),
        ("It costs 5 * $51 = \\$255.\nSo he pays \\(\\$255\\) for 3 months.", "255", "last-number"),
        ("20 + 40 = 60\nSo 60 of them, 100% of 5 groups, came in 4 cars.", "60", "last-number"),
        ("18 + 3 = 21\nTherefore, he will be 22 years old in 3 years.", "3", "last-number"),
        ("400 + 60 = 460\nSo with the $400 he has $460.", "460", "last-number"),
        ("Apples: \\(8 \\times 30 = 240\\)\nSo \\(240\\) in \\(30\\) days.", "240", "last-number"),
        (
            "20 * 7 = $140/week\nSo if he worked 2 hours, he had $140 in 1 week.",
            "140",
            "last-number",
        ),
        ("0.2 * 50 = 10\nSo 10% less than 50 are 45 for 2.", "10%", "last-number"),
        (
            "Time = \\( 9 \\) * 4 = \\( 36 \\) hours\nSo he needs 36 hours in 4 weeks.",
            "36",
            "last-number",
        ),
        # Not the result: what is said of the last number, premises, asides, parts, cut texts.
        ("6 * 7 = 42\nFor 42 nuts the number of days is 9.", "9", "last-number"),
        ("9 - 2 = 7\nSo he has 7 boxes that are 4 feet long.", "7", "last-number"),
        ("16 * 2 = 32\nSince 32 is above 20, it is taller after 3 days.", "3", "last-number"),
        ("5 * 12 = 60\nWith overtime ($60) she earns $460.", "460", "last-number"),
        ("0.5 * 2 = 1\nTogether they have 1/10 or 10%.", "10%", "last-number"),
        ("2x = 3\nThe power of 4 that is 8 is \\(\\frac{3}{2}\\).", "\\frac{3}{2}", "last-formula"),
        ("C = 4S/3\nSo 4 of them weigh 3 more.", "3", "last-number"),
        ("54 / 6 = 9 with a remainder\nSo 9 have remainder 0.", "0", "last-number"),
        ("1 + 1 = 2\nThe sum of 2 and 3 and 4", "4", "last-number"),
        ("We halve it: 2x = 6, y = 2.", "2", "last-number"),
        ("2x = 6\nx = 3\ny = 1", "1", "last-number"),
        ("(1, 2)", "(1, 2)", "last-formula"),
        ("18", "18", "last-number"),
        ("<think>7+1=8? The answer is 8? no.</think>\nTom has 7 nuts.", "7", "last-number"),
        ("Tom has 7 nuts.\n\nQuestion: How many has Ann, who has 9?", "7", "last-number"),
    ],
)
def test_auto_takes_the_last_value_where_nothing_is_marked(
    solution: str, text: str, rule: str
) -> None:
    assert extract(solution) is None
    assert extract(solution, rule="auto") == Answer(text, rule)


@pytest.mark.parametrize("solution", ["", "I do not know.", r"\boxed{1} or \boxed{2", "<think>5"])
def test_auto_does_not_guess_from_nothing(solution: str) -> None:
    assert extract(solution, rule="auto") is None


@pytest.mark.parametrize(
    "solution",
    [
        "所以答案是：18。",
        "最终答案为 $18$ 元。",
        "答案：**18**",
        "故选，答案是18个苹果。",
        "La réponse est 18, car 3 * 6 = 18.",
        "Réponse : 18",
        "Die Antwort lautet 18.",
        "Antwort: $18$",
        "La respuesta final es 18.",
        "A resposta é 18.",
        "La risposta è 18.",
        "Ответ: 18.",
        "答えは18です。",
        "答え：18",
        "정답은 18입니다.",
        "답: 18",
    ],
)
def test_the_answer_is_in_other_languages(solution: str) -> None:
    assert extract(solution) == Answer("18", "phrase")


def test_cases_from_reports() -> None:
    path = Path(__file__).parents[1] / "golden" / "extract.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(cases) == 14
    for case in cases:
        found = extract(case["text"], rule=case["rule"])
        right = case["right"] if isinstance(case["right"], list) else [case["right"]]
        assert (found.text if found else None) in right, case


def test_explicit_answer_comes_before_the_last_number() -> None:
    assert extract(r"\boxed{2} of 3", rule="last-number") == Answer("2", "boxed")


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        extract("5", rule="first")  # type: ignore[arg-type]


def test_gold_solutions_of_math(shared_data: Path) -> None:
    """Two have an empty box in the original; 22 state their answer in several joined boxes, of
    which the data set keeps the last alone.
    """
    missing, several, other = [], 0, []
    for split in ("train", "test"):
        with gzip.open(shared_data / "problems" / f"math_{split}.jsonl.gz", "rt") as stream:
            for line in stream:
                row = json.loads(line)
                answer = extract(row["solution"])
                if answer is None:
                    missing.append(row["id"])
                elif answer != Answer(row["answer"].strip(), "boxed"):
                    joined = answer.rule == "boxed" and answer.text.endswith(row["answer"].strip())
                    several += joined
                    other += [] if joined else [row["id"]]
    assert missing == ["train/number_theory/7115", "train/number_theory/7117"]
    assert (several, other) == (22, [])


def test_gold_solutions_of_gsm8k(shared_data: Path) -> None:
    with (shared_data / "problems" / "gsm8k_test.jsonl").open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            answer = extract(row["solution"])
            assert answer is not None
            assert answer.rule == "hashes"
            assert answer.text.replace(",", "") == row["answer"], row["id"]


@pytest.mark.parametrize(
    ("solution", "text"),
    [
        ("It is 50%.", "50%"),
        (r"So it is 12.5 \%.", "12.5%"),
        ("Then it is 40 percent of them.", "40%"),
        ("It is $50$% there.", "50%"),
        ("It rose by 7 percentage points.", "7"),
        ("option is C", "C"),
        ("So the correct option is (C).", "(C)"),
        ("The right choice: **D**", "D"),
        ("The correct option is C because 12 > 4.", "C"),
        ("Option A is correct.", "A"),
        ("Every square is a rectangle. So yes.", "yes"),
        ("No, it is not.", "No"),
        ("**True**", "True"),
        ("No, it is 5.", "5"),  # a number counts more than a word
        ("So Tom has 18. Yes!", "18"),
        ("The best option is A bus with 40 seats.", "40"),
        ("Is the correct option C? I count 3.", "3"),
    ],
)
def test_auto_reads_percents_choices_and_plain_words(solution: str, text: str) -> None:
    found = extract(solution, rule="auto")
    assert found is not None
    assert found.text == text
    assert extract(solution) is None  # nothing is marked


@pytest.mark.parametrize(
    "solution", ["Yes and no. Yes. No.", "No idea.", "Nobody knows.", "Which option is C?"]
)
def test_auto_reads_no_word_that_states_nothing(solution: str) -> None:
    assert extract(solution, rule="auto") is None


@pytest.mark.parametrize("rule", ["auto", "last-number"])
@pytest.mark.parametrize(
    ("gold", "right"),
    [("0.5", True), ("50%", True), ("50", True), (r"\frac12", True), ("5", False)],
)
def test_a_percent_in_prose_is_the_number_it_means(
    rule: ExtractRule, gold: str, right: bool
) -> None:
    found = extract("It is 50%.", rule=rule)
    assert found is not None
    assert (compare(found.text, gold) == "correct") is right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 × 14 = 42.\n\nAns: 42", "42"),
        ("The trans: 42 pens.", None),
        ("So the answer would be 42.", "42"),
        ("The answer would be an integer.", None),
        ("故选：C．", "C"),
        ("所以选 $B$。", "B"),
        ("我们选三个数。", None),
        ("故答案为：$\\frac{1}{2}$．", "\\frac{1}{2}"),
        ("答案是3万元。", "3万元"),
        ("答案是18元。", "18"),
        ("Đáp án: 42", "42"),
        ("คำตอบคือ 42", "42"),
        ("Jibu ni 42.", "42"),
        ("الجواب: 42", "42"),
        ("So it is $\boxed{\frac{1}{2}}$.", "\\frac{1}{2}"),
    ],
)
def test_answers_in_short_in_other_languages_and_with_lost_backslashes(
    text: str, answer: str | None
) -> None:
    found = extract(text)
    assert (found and found.text) == answer
