"""The part of a text that can hold its answer: after thoughts, before a new question."""

from __future__ import annotations

import pytest

from mathtune.answers.visible import (
    after_thoughts,
    thoughts_and_answer,
    thoughts_end,
    unanswered,
    visible,
)

SAME = [
    "",
    "The answer is 7.",
    "if x < 3 then [x] is 2, and 5 > 4",
    "Problem: Tom has 3 nuts.\nSolution: 3 * 2 = 6. The answer is 6.",
    "Let me restate it.\n\nProblem: Tom has 3 nuts.\nThe answer is 6.",
    "Question 1: yes, as 3 = 3.\n\nQuestion 2: no, as 3 < 4.\n\nTheir sum is 7.",
    "analysis of the problem gives 5",
    "The user: Tom has 3 nuts",
]


@pytest.mark.parametrize("text", SAME)
def test_a_text_without_marks_stays(text: str) -> None:
    assert visible(text) == text


CUT = [
    ("<think>5?</think>It is 7.", "It is 7."),
    ("5?</think>It is 7.", "It is 7."),  # the opening tag was in the prompt
    ("<think>5?</think>No.<think>6?</think>It is 7.", "It is 7."),
    ("<thinking>5?</thinking>It is 7.", "It is 7."),
    ("<reasoning>5?</reasoning>It is 7.", "It is 7."),
    ("[THINK]5?[/THINK]It is 7.", "It is 7."),
    ("◁think▷5?◁/think▷It is 7.", "It is 7."),
    ("<|begin_of_thought|>5?<|end_of_thought|>It is 7.", "It is 7."),
    ("<|channel|>analysis<|message|>5?<|end|><|start|>assistant<|channel|>final<|message|>It is 7.",
     "It is 7."),
    ("<mm:think>5?</mm:think>It is 7.", "It is 7."),
    ("<think:open>5?</think:open>It is 7.", "It is 7."),
    ("<|inner_prefix|>5?<|inner_suffix|>It is 7.<|assistant_end|>", "It is 7."),
    ("<|open|>think<|sep|>5?<|close|>think<|sep|><|open|>response<|sep|>It is 7.<|close|>response",
     "It is 7."),
    ("<|think|>5?<|end|><|begin|>assistant<|content|>It is 7.<|end|>", "It is 7."),
    (" to=self<|message|>5?<|eom|><|start|>assistant to=user<|message|>It is 7.", "It is 7."),
    (" to=user<|message|>It is 7.", "It is 7."),
    (" to=self<|message|>5?", ""),
    ("<|begin_assistant|>\nHere are my reasoning steps:\n5? Or", ""),
    ("Here are my reasoning steps:\n5?\n[BEGIN FINAL RESPONSE]It is 7.[END FINAL RESPONSE]",
     "It is 7."),
    ("analysisWe try 5.assistantfinalIt is 7.", "It is 7."),
    ("<think>5?", ""),
    ("It was 7. <think>or 5", "It was 7. "),
    ("<think>5?</think>", ""),
    ("It is 7.<|im_end|>\n<|im_start|>user\nAnd 5?", "It is 7."),
    ("<|im_start|>assistant\nIt is 7.<|im_end|>", "It is 7."),
    ("It is 7.</s>", "It is 7."),
    ("<s>It is 7.<eos>", "It is 7."),
    ("It is 7.<|eot_id|>", "It is 7."),
    ("It is 7.<end_of_turn>\n", "It is 7."),
    ("It is 7.<｜end▁of▁sentence｜>", "It is 7."),
    ("It is 7.<|endoftext|>It is 8.", "It is 7."),
    ("It is 7.\n\nQuestion: And 5?", "It is 7.\n\n"),
    ("It is 7.\n\nQ: And 5?\nA: 5", "It is 7.\n\n"),
    ("It is 7.\n\n### Problem:\nAnd 5?", "It is 7.\n\n"),
    ("The answer is 7.\n\nQuestion 2: And 5?", "The answer is 7.\n\n"),
    ("It is 7.\nHuman: thanks", "It is 7.\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "left"), CUT)
def test_what_is_left(text: str, left: str) -> None:
    assert visible(text) == left


OPEN = [
    "<think>",
    "[THINK]",
    "◁think▷",
    "<|begin_of_thought|>",
    "<|START_THINKING|>",
    "<|channel|>analysis<|message|>",
    "<|channel>thought",
    " to=self<|message|>",
    "analysisWe try ",
]


@pytest.mark.parametrize("mark", OPEN)
def test_a_thought_that_is_cut_off_is_no_solution(mark: str) -> None:
    assert unanswered(f"{mark}5? No, 6")
    assert after_thoughts(f"{mark}5? No, 6") == ""


@pytest.mark.parametrize(
    ("text", "left", "ends_with_thoughts"),
    [
        ("It is 7.", "It is 7.", False),
        ("", "", False),
        ("<think>5?</think>It is 7.", "It is 7.", False),
        ("5?</think>It is 7.", "It is 7.", False),
        ("<think>5?</think>\n", "\n", True),
        ("5?</think><|im_end|>", "<|im_end|>", True),
        ("It was 7. <think>or 5", "It was 7. ", True),
        ("<think>5?</think>It is 7.<think>or", "It is 7.", True),
        ("analysisWe try 5.assistantfinalIt is 7.", "It is 7.", False),
        ("analysis of 5 gives</think>It is 7.", "It is 7.", False),
        ("analysis of the problem gives 5", "analysis of the problem gives 5", False),
    ],
)
def test_what_follows_the_thoughts(text: str, left: str, ends_with_thoughts: bool) -> None:
    assert after_thoughts(text) == left
    assert unanswered(text) == ends_with_thoughts
    assert text[thoughts_end(text) :].startswith(left)


def test_a_thought_of_megabytes_is_cheap() -> None:
    assert visible("<think>" + "x = 5 \n" * 200_000 + "</think>It is 7.") == "It is 7."


RENDERED = {
    "s1": "<|im_start|>system\nMind 5.<|im_end|>\n<|im_start|>user\n3 + 4?<|im_end|>\n"
    "<|im_start|>assistant\n<|im_start|>think\n9? \\boxed{9}\n<|im_start|>answer\nIt is 7.",
    "Llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n3 + 4?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nIt is 7.<|eot_id|>",
    "Mistral": "<s>[INST] 3 + 4? [/INST] It is 7.</s>",
    "Gemma": "<bos><start_of_turn>user\n3 + 4?<end_of_turn>\n"
    "<start_of_turn>model\nIt is 7.<end_of_turn>",
}


@pytest.mark.parametrize("template", RENDERED)
def test_a_rendered_prompt_before_the_reply_is_no_part_of_it(template: str) -> None:
    assert visible(RENDERED[template]).strip() == "It is 7."


def test_a_thought_of_s1_that_never_ends_holds_no_answer() -> None:
    assert visible("<|im_start|>think\nMaybe \\boxed{9}").strip() == ""


@pytest.mark.parametrize(
    ("text", "thoughts", "rest"),
    [
        ("thoughts\n</think>\n\n4", "thoughts", "4"),
        ("<think></think>\n\n4", "", "4"),
        ("<think>2, 4.", "2, 4.", ""),
        (
            "<|channel|>analysis<|message|>Add.<|end|><|start|>assistant<|channel|>final<|message|>4",
            "Add.",
            "4",
        ),
        ("<|channel|>analysis<|message|>We", "We", ""),
        ("<|channel>thought\n2, 4.<channel|>4", "2, 4.", "4"),
        ("<think>2</think>4\n<think>5", "2", "4\n"),
        (" 3 < 4 ", "", " 3 < 4 "),
    ],
)
def test_thoughts_and_the_rest_are_apart(text: str, thoughts: str, rest: str) -> None:
    assert thoughts_and_answer(text) == (thoughts, rest)
