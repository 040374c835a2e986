"""A model's chat template gives what transformers gives, within bounded time and memory."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

pytest.importorskip("transformers")

from mathtune.engines import chat_template
from mathtune.errors import InputError

USUAL = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def rendered(template: str, text: str = " 1 + 1?\u2028{{ x }} ") -> str:
    return chat_template.rendered(
        [{"role": "user", "content": text}],
        template=template,
        words={"bos_token": "<s>"},
        today=date(2024, 7, 26),
    )


def test_the_text_is_that_of_transformers() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", chat_template=USUAL
    )
    text = " 1 + 1?\u2028{{ x }} "
    theirs = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
    )
    ours = chat_template.rendered(
        [{"role": "user", "content": text}],
        template=tokenizer.get_chat_template(),
        words=tokenizer.special_tokens_map,
        today=date(2024, 7, 26),
    )
    assert ours == theirs
    assert isinstance(tokenizer, chat_template.TemplateTokenizer)  # so that prompts are made by it
    assert theirs == "<s><|user|>1 + 1?\u2028{{ x }}\n<|assistant|>"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{ ''.__class__.__mro__ }}", "SecurityError: access to attribute '__class__'"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% if %}", "Expected an expression"),
        ("{{ messages[7].content.x }}", "list object has no element 7"),
        ("{{ 1 // 0 }}", "integer division or modulo by zero"),
        ("{{ 'ab' * 10 ** 11 }}", "MemoryError"),
        ("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "RecursionError"),
    ],
)
def test_a_failing_template_is_one_sentence(template: str, sentence: str) -> None:
    with pytest.raises(chat_template.TemplateError, match=f"^{sentence}"):
        rendered(template)
    assert rendered(USUAL).startswith("<s>")
    assert rendered("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{% if thinking is defined and not thinking %}{{ x.y }}{% endif %}", {"thinking", "x"}),
        ("{% if not on is defined %}{% set on = true %}{% endif %}{{ on }}", {"on"}),
        ("{% set on = on | default(true) %}{{ on }}", {"on"}),
        (
            "{% set ns = namespace(a=1) %}{% for m in messages %}{{ ns.a }}{% endfor %}",
            {"messages"},
        ),
        ("{% for m in messages %}{% set x = m %}{% endfor %}{{ m.a }}{{ x }}", {"messages"}),
        ("{% generation %}{{ strftime_now('%d') }}{% endgeneration %}", set()),
        ("{% if %}", set()),
    ],
)
def test_the_names_that_a_template_reads(template: str, names: set[str]) -> None:
    assert chat_template.names_read(template) == names


@pytest.mark.timeout(120)
def test_an_endless_template_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(USUAL)  # the child is there
    monkeypatch.setattr(chat_template, "SECONDS", 0.5)
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(chat_template.TemplateError, match=r"it did not end within 0\.5 s"):
        rendered(loop)
    monkeypatch.setattr(chat_template, "SECONDS", 60.0)
    assert rendered(USUAL).startswith("<s>")


def test_an_interrupted_task_leaves_no_answer_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(chat_template, "_line", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rendered(USUAL, "an old message")
    assert rendered(USUAL, "a new one") == "<s><|user|>a new one\n<|assistant|>"


def test_several_templates_without_a_default_are_one_sentence() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    named = {"rag": USUAL, "tools": USUAL}
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), chat_template=named
    )
    asked = [{"role": "user", "content": "1 + 1?"}]
    for variables in ({}, {"enable_thinking": False}):
        with pytest.raises(InputError, match=r"no default specified.* expected other settings"):
            chat_template.filled(asked, variables, tokenizer, add_generation_prompt=True)


def test_a_template_may_leave_out_spaces_of_a_message_but_no_words() -> None:
    """Falcon's drops empty lines: a solution with one had been taken for a message left out."""

    class Falcon:
        def __init__(self, template: str) -> None:
            self.chat_template: str | None = template
            self.special_tokens_map: dict[str, Any] = {}

        def get_chat_template(self) -> str:
            return str(self.chat_template)

        def apply_chat_template(self, conversation: Any, **options: Any) -> str:
            raise NotImplementedError

    template = "{% for m in messages %}User: {{ m.content.replace('\n\n', '\n') }}{% endfor %}"
    asked = [{"role": "user", "content": "1 + 1?\n\nBriefly."}]
    text = chat_template.filled(asked, {}, Falcon(template), add_generation_prompt=True)
    assert text == "User: 1 + 1?\nBriefly."
    without = Falcon(template.replace("'\n\n', '\n'", "'Briefly', ''"))
    with pytest.raises(InputError, match="leaves out the message of the user"):
        chat_template.filled(asked, {}, without, add_generation_prompt=True)
