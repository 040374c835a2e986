"""Prompts of chat models: what is said beside the problem, and the token that ends a turn."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from mathtune.engines import prompts
from mathtune.engines.prompts import Wording
from mathtune.engines.settings import PromptSettings
from mathtune.engines.thought_budget import thought_tokens
from mathtune.errors import InputError

QUIET = "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}"
PARTS = (
    "{% for m in messages %}<{{ m['role'] }}>{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_turn>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
LLAMA = (
    "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today Date: {{ date_string }}<|eot_id|>"
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '<|stop|>\n\n' "
    "+ message['content'] + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|stop|>\n\n' }}{% endif %}"
)
QWEN = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)
R1 = (  # the thoughts of earlier turns are cut, and those of the next turn are opened
    "{% set ns = namespace(system='') %}{% for m in messages if m['role'] == 'system' %}"
    "{% set ns.system = m['content'] %}{% endfor %}{{ bos_token + ns.system }}"
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|User|>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}"
    "{{ '<|Assistant|>' + m['content'].split('</think>')[-1] + '<|done|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}"
)
MARKLESS = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
)
FAMILIES: dict[str, tuple[str, str, str]] = {
    "gemma": (GEMMA, "<eos>", "<end_of_turn>"),
    "phi": (PHI, "<|endoftext|>", "<|end|>"),
    "llama": (LLAMA, "<|eot_id|>", "<|eot_id|>"),
    "qwen": (QWEN, "<|endoftext|>", "<|im_end|>"),
    "r1": (R1, "<|done|>", "<|done|>"),
    "markless": (MARKLESS, "</s>", "</s>"),
}
"""Template, eos_token, and the token that ends a turn."""


@pytest.fixture
def family(make_tokenizer: Any) -> Any:
    def make(name: str) -> PreTrainedTokenizerFast:
        template, eos, end = FAMILIES[name]
        made = make_tokenizer(special=["<bos>", *dict.fromkeys((eos, end))], eos=eos)
        made.bos_token, made.chat_template = "<bos>", template
        return made

    return make


@pytest.mark.parametrize("name", FAMILIES)
def test_a_chat_ends_with_the_token_that_ends_a_turn(name: str, family: Any) -> None:
    tokenizer = family(name)
    _, eos, end = FAMILIES[name]
    ends = {form: prompts.end_token(tokenizer, form=form) for form in ("auto", "chat", "plain")}
    assert {form: tokenizer.decode([token]) for form, token in ends.items()} == {
        "auto": end,
        "chat": end,
        "plain": eos,
    }


@pytest.mark.parametrize("tail", ["", "{end}", "{end}\n", " {eos}", "{end}{eos}"])
def test_a_solution_ends_in_the_token_once(tail: str, family: Any) -> None:
    tokenizer = family("gemma")
    tail = tail.format(end="<end_of_turn>", eos="<eos>")
    ids = prompts.target(f"5 + 7 = 12{tail}", form="auto", tokenizer=tokenizer)
    assert tokenizer.decode(ids).replace(" <end", "<end") == "5 + 7 = 12<end_of_turn>"
    assert prompts.target("5\n", form="auto", tokenizer=tokenizer) == [
        *tokenizer.encode("5\n"),
        tokenizer.convert_tokens_to_ids("<end_of_turn>"),
    ]


def test_a_token_that_the_tokenizer_puts_behind_a_text_is_taken_off(family: Any) -> None:
    tokenizer = family("gemma")
    plain = tokenizer.encode("1 + 1 =", add_special_tokens=False)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("<bos>", "<eos>")}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=list(ids.items())
    )
    assert tokenizer.encode("1 + 1 =") == [ids["<bos>"], *plain, ids["<eos>"]]
    assert prompts.encode("1 + 1 =", form="plain", tokenizer=tokenizer) == [ids["<bos>"], *plain]
    at, right, _ = prompts.labelled("It is", form="plain", tokenizer=tokenizer)
    assert tokenizer.decode(right[at:]).endswith("correct")


@pytest.mark.parametrize(
    ("wording", "user"),
    [
        (Wording(), f"1 + 1?\n{prompts.INSTRUCTION}"),
        (Wording(instruction=""), "1 + 1?"),
        (Wording(instruction="Be brief."), "1 + 1?\nBe brief."),
        (Wording(instruction="Solve: {problem}"), "Solve: 1 + 1?"),
    ],
)
def test_the_instruction_stands_behind_the_problem_or_around_it(
    wording: Wording, user: str, family: Any
) -> None:
    tokenizer = family("qwen")
    asked = prompts.solver("1 + 1?", form=wording, tokenizer=tokenizer)
    assert asked == f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    # A judge is told nothing of how to answer.
    judged = prompts.evaluator("1 + 1?", "2", form=wording, tokenizer=tokenizer)
    assert "boxed" not in judged
    assert "1 + 1?\nHere is a candidate" in judged


def test_system_and_variables_reach_the_template(family: Any) -> None:
    wording = Wording(
        "chat", system="You add.", instruction="", template={"enable_thinking": False}
    )
    assert prompts.solver("1?", form=wording, tokenizer=family("qwen")) == (
        "<|im_start|>system\nYou add.<|im_end|>\n<|im_start|>user\n1?<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    judged = prompts.evaluator("1?", "1", form=wording, tokenizer=family("qwen"))
    assert judged.startswith("<|im_start|>system\nYou add.<|im_end|>\n<|im_start|>user\nHere is")


def test_a_base_model_is_instructed_only_when_asked_to() -> None:
    class Plain:
        chat_template = None

    plain: Any = Plain()
    assert prompts.solver("1?", form="auto", tokenizer=plain) == "Problem: 1?\nSolution:\n"
    told = prompts.solver("1?", form=Wording(instruction="Box it."), tokenizer=plain)
    assert told == "Problem: 1?\nBox it.\nSolution:\n"
    with pytest.raises(InputError, match="system: found a text with the form plain"):
        prompts.solver("1?", form=Wording(system="You add."), tokenizer=plain)


def test_today_does_not_change_a_prompt(family: Any) -> None:
    tokenizer = family("llama")
    assert prompts.solver("1?", form="chat", tokenizer=tokenizer).startswith(
        "Today Date: 26 Jul 2024<|eot_id|>"
    )
    set_here = Wording("chat", template={"date_string": "1 May 2031"})
    assert "Date: 1 May 2031<" in prompts.solver("1?", form=set_here, tokenizer=tokenizer)


@pytest.mark.parametrize(
    ("template", "wording", "said"),
    [
        (GEMMA, Wording(system="You add."), r"of system and user \(System role not supported\)"),
        ("{% for %}", Wording(), "cannot render a conversation of user"),
        ("{{ messages[7].content }}", Wording(), "cannot render a conversation of user"),
        ("{{ messages[0]['content'] + 1 }}", Wording(), "can only concatenate"),
        (QUIET, Wording(system="You add."), "leaves out the message of the system; .* no system"),
        ("{% if false %}{{ messages }}{% endif %}Solve!", Wording(), "message of the user; "),
    ],
)
def test_a_template_that_refuses_is_a_sentence(
    template: str, wording: Wording, said: str, family: Any
) -> None:
    tokenizer = family("gemma")
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=said) as error:
        prompts.solver("1?", form=wording, tokenizer=tokenizer)
    assert "\n" not in str(error.value)


def test_an_empty_template_is_a_sentence(family: Any) -> None:
    tokenizer = family("qwen")
    tokenizer.chat_template = ""
    with pytest.raises(InputError, match="leaves out the message of the user"):
        prompts.solver("1 + 1?", form="chat", tokenizer=tokenizer)
    assert prompts.resolve("auto", tokenizer) == "plain"


def test_a_template_of_parts_gets_parts(family: Any) -> None:
    """Those of models that also see images walk through the parts of a message."""
    tokenizer = family("gemma")
    tokenizer.chat_template = PARTS
    wording = Wording(system="You add.", instruction="")
    text = prompts.solver("1 + 1?", form=wording, tokenizer=tokenizer)
    assert text == "<system>You add.<end_of_turn><user>1 + 1?<end_of_turn><assistant>"
    end = prompts.end_token(tokenizer, form=wording)
    assert tokenizer.decode([end]) == "<end_of_turn>"


def test_a_variable_that_is_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="tokenize is not the template's to set"):
        PromptSettings(template={"tokenize": True})


@pytest.mark.parametrize(
    ("solution", "written"),
    [
        ("<think>\n5, 6.\n</think>\n\n#### 7", "5, 6.\n</think>\n\n#### 7"),
        ("<think>5, 6.</think>#### 7", "5, 6.</think>#### 7"),
        ("\n<think>\n\n5, 6", "\n\n5, 6"),
        ("5, 6.\n</think>\n\n#### 7", "5, 6.\n</think>\n\n#### 7"),  # another tool left it out
        ("5 + 2 = 7\n#### 7", "\n</think>\n\n5 + 2 = 7\n#### 7"),
    ],
)
def test_a_thought_that_the_prompt_opens_is_opened_once(
    solution: str, written: str, family: Any
) -> None:
    tokenizer = family("r1")
    prompt = prompts.solver("5 + 2?", form="chat", tokenizer=tokenizer)
    assert prompt.endswith("<|Assistant|><think>\n")
    ids = prompts.target(solution, form="chat", tokenizer=tokenizer, prompt=prompt)
    assert tokenizer.decode(ids) == f"{written}<|done|>"
    dropped = Wording("chat", thoughts="drop")
    if "####" in solution:
        ids = prompts.target(solution, form=dropped, tokenizer=tokenizer, prompt=prompt)
        assert tokenizer.decode(ids).startswith("\n</think>\n\n")
    # Nothing is opened in the prompt: the solution stays as it is.
    ids = prompts.target(solution, form="plain", tokenizer=tokenizer, prompt="Solution:\n")
    assert tokenizer.decode(ids) == f"{solution}<|done|>"


@pytest.mark.parametrize(
    ("family_name", "form", "said"),
    [
        ("qwen", "chat", "found 'enable_thinkin', .* does not read; expected one of enable_think"),
        ("gemma", "chat", "found 'enable_thinkin', .* does not read; expected no variables"),
        ("qwen", "plain", "template: found 'enable_thinkin' with the form plain"),
    ],
)
def test_a_variable_that_nothing_reads_is_refused(
    family_name: str, form: Any, said: str, family: Any
) -> None:
    wording = Wording(form, template={"enable_thinkin": False})
    with pytest.raises(InputError, match=said):
        prompts.solver("1?", form=wording, tokenizer=family(family_name))


def test_thoughts_are_dropped_for_judges_and_targets(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer(special=("<|end|>", "</think>"))
    thought = "<think>\n5, 6, 7.\n</think>\n\n#### 7"
    dropped = Wording("plain", thoughts="drop")
    judged = prompts.evaluator("5 + 2?", thought, form=dropped, tokenizer=tokenizer)
    assert judged == prompts.evaluator("5 + 2?", "#### 7", form="plain", tokenizer=tokenizer)
    assert "5, 6, 7" in prompts.evaluator("5 + 2?", thought, form="plain", tokenizer=tokenizer)
    target = prompts.target(thought, form=dropped, tokenizer=tokenizer)
    assert target == prompts.target("#### 7", form="plain", tokenizer=tokenizer)
    whole = prompts.target(thought, form="plain", tokenizer=tokenizer)
    many = thought_tokens(thought, whole, tokenizer=tokenizer)
    assert tokenizer.decode(whole[:many]) == "<think>\n5, 6, 7.\n</think>"
    assert thought_tokens("#### 7", target, tokenizer=tokenizer) == 0
