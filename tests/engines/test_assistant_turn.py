"""How templates write an assistant's turn: what stands before an answer, between thoughts and an
answer, and behind it. The templates are small, each with a property of published ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("torch")

from mathtune.answers.visible import thoughts_end, visible
from mathtune.engines import prompts
from mathtune.engines.assistant_turn import Turn
from mathtune.engines.prompts import Wording
from mathtune.engines.protocol import Draft
from mathtune.engines.thought_budget import opened, text_of, thought_end
from mathtune.errors import InputError

EACH = "{% for m in messages %}"
USER = EACH + "{% if m.role != 'assistant' %}<|user|>{{ m.content }}<|stop|>{% else %}"
WRITE = "{% endif %}{% endfor %}{% if add_generation_prompt %}"
REASON = "{% if m.reasoning_content %}"


@dataclass
class Way:
    """A template; what the model writes around an answer without thoughts (`lead` and `tail`), and
    from the prompt up to an answer with `thoughts` (empty: it has none). `budget`: the token that
    ends them.
    """

    template: str
    special: tuple[str, ...]
    lead: str
    tail: str
    thoughts: str = ""
    budget: str = "</think>"
    eos: str = "<|stop|>"


WAYS = {
    "thoughts are opened, the answer has a mark, two tokens end it": Way(
        USER
        + f"<|bot|>{REASON}<|START_THINKING|>{{{{ m.reasoning_content }}}}<|END_THINKING|>"
        + "{% endif %}<|START_TEXT|>{{ m.content }}<|END_TEXT|><|stop|>"
        + WRITE
        + "<|bot|><|START_THINKING|>{% endif %}",
        ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_TEXT|>", "<|END_TEXT|>", "<|bot|>"),
        "<|END_THINKING|><|START_TEXT|>",
        "<|END_TEXT|><|stop|>",
        "2, 4.<|END_THINKING|><|START_TEXT|>",
        "<|END_THINKING|>",
    ),
    "an empty thought that a finished turn lacks, the next turn opened unasked": Way(
        USER
        + "<|bot|><|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|><|stop|>"
        + "{% endif %}{% endfor %}<|bot|><|START_THINKING|><|END_THINKING|>",
        ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        "<|START_RESPONSE|>",
        "<|END_RESPONSE|><|stop|>",
    ),
    "tags around thoughts, answer and turn": Way(
        USER
        + f"<|open|>message<|sep|><|open|>think<|sep|>{REASON}{{{{ m.reasoning_content }}}}"
        + "{% endif %}<|close|>think<|sep|><|open|>response<|sep|>{{ m.content }}"
        + "<|close|>response<|sep|><|close|>message<|sep|><|over|>"
        + WRITE
        + "<|open|>message<|sep|><|open|>think<|sep|>{% endif %}",
        ("<|open|>", "<|close|>", "<|sep|>", "<|over|>"),
        "<|close|>think<|sep|><|open|>response<|sep|>",
        "<|close|>response<|sep|><|close|>message<|sep|><|over|>",
        "2, 4.<|close|>think<|sep|><|open|>response<|sep|>",
        "",
        eos="<|text|>",
    ),
    "a recipient in the head of a turn": Way(
        USER
        + f"{REASON}<|start|>assistant to=self<|message|>{{{{ m.reasoning_content }}}}<|eom|>"
        + "{% endif %}<|start|>assistant to=user<|message|>{{ m.content }}<|stop|>"
        + WRITE
        + "<|start|>assistant{% endif %}",
        ("<|start|>", "<|message|>", "<|eom|>"),
        " to=user<|message|>",
        "<|stop|>",
        " to=self<|message|>2, 4.<|eom|><|start|>assistant to=user<|message|>",
        "",
    ),
    "marks of their own": Way(
        USER
        + f"<|bot|>{REASON}<mm:think>{{{{ m.reasoning_content }}}}{{% endif %}}</mm:think>"
        + "{{ m.content }}<|stop|>"
        + WRITE
        + "<|bot|>{% endif %}",
        ("<mm:think>", "</mm:think>", "<|bot|>"),
        "</mm:think>",
        "<|stop|>",
        "<mm:think>2, 4.</mm:think>",
        "</mm:think>",
    ),
    "a finished turn keeps only the end of an empty thought": Way(
        USER
        + f"<|bot|>{REASON}<think>{{{{ m.reasoning_content }}}}{{% endif %}}</think>"
        + "{{ m.content }}"
        + WRITE
        + "<|bot|><think>{% endif %}",
        ("<|bot|>", "<think>", "</think>"),
        "</think>",
        "<|stop|>",
        "2, 4.</think>",
    ),
    "a finished turn keeps the beginning of a thought": Way(
        USER
        + "<|bot|><think>\n{{ m.content }}\n<|stop|>\n"
        + WRITE
        + "<|bot|><think>\n{% endif %}",
        ("<|bot|>", "<think>", "</think>"),
        "\n</think>\n\n",
        "\n<|stop|>",
        "2, 4.\n</think>\n\n",
    ),
    "spaces around an answer, the turn's end is not the text's": Way(
        EACH
        + "{{ m.role }}: {{ m.content }}\n\n<|turn|>{% endfor %}"
        + "{% if add_generation_prompt %}assistant:{% endif %}",
        ("<|turn|>", "<think>", "</think>"),
        " ",
        "\n\n<|turn|>",
        " <think>2, 4.</think>",
    ),
    "the last turn is left open": Way(
        "<|head|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{{ '' if loop.last and m.role == 'assistant' else '\n<|turn|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ("<|head|>", "<|turn|>", "<|user|>", "<|assistant|>"),
        "",
        "\n<|turn|>",
    ),
    "no token ends a turn": Way(
        "<|head|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ("<|head|>", "<|user|>", "<|assistant|>"),
        "",
        "<|stop|>",
    ),
    "line breaks are added tokens": Way(
        EACH
        + "<|{{ m.role }}|>{{ m.content }}<|turn|>\n{% endfor %}"
        + "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        ("<|turn|>", "\n", "\n\n"),
        "",
        "<|turn|>",
    ),
    "the text's end follows the turn's": Way(
        EACH
        + "<|{{ m.role }}|>{{ m.content }}\n<|turn|>\n{% endfor %}"
        + "{% if add_generation_prompt %}<|assistant|>{% else %}<|stop|>{% endif %}",
        ("<|turn|>", "<|user|>", "<|assistant|>"),
        "",
        "\n<|turn|>",
    ),
}
ANSWER = "It is 4."


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, make_tokenizer: Any) -> tuple[Way, Any]:
    return WAYS[request.param], made(WAYS[request.param], make_tokenizer)


def made(way: Way, make_tokenizer: Any) -> Any:
    special = dict.fromkeys((*way.special, "<|user|>", "<|stop|>", way.eos))
    tokenizer = make_tokenizer(special=list(special), eos=way.eos)
    tokenizer.chat_template = way.template
    return tokenizer


def test_an_answer_is_learned_where_the_template_writes_it(way: tuple[Way, Any]) -> None:
    expected, tokenizer = way
    form = Wording("chat")
    prompt = prompts.solver("2 + 2?", form=form, tokenizer=tokenizer)

    def learned(solution: str) -> str:
        ids = prompts.target(solution, form=form, tokenizer=tokenizer, prompt=prompt)
        return str(tokenizer.decode(ids))

    whole = f"{expected.lead}{ANSWER}{expected.tail}"
    assert learned(ANSWER) == whole
    assert learned(whole) == whole  # not doubled
    if expected.thoughts:
        whole = f"{expected.thoughts}{ANSWER}{expected.tail}"
        assert learned(whole) == whole
    end = tokenizer.decode([prompts.end_token(tokenizer, form=form)])
    assert expected.tail.endswith(end)


def test_a_sample_is_seen_and_learned_again(way: tuple[Way, Any]) -> None:
    expected, tokenizer = way
    form = Wording("chat")
    prompt = prompts.solver("2 + 2?", form=form, tokenizer=tokenizer)
    end = prompts.end_token(tokenizer, form=form)

    def sampled(text: str) -> str:
        ids = tokenizer.encode(text, add_special_tokens=False)
        ids = ids[: ids.index(end)] if end in ids else ids
        return opened([Draft(text_of(ids, tokenizer), "stop", 1)], prompt)[0].text

    for whole in (expected.lead, expected.thoughts or expected.lead):
        text = sampled(f"{whole}{ANSWER}{expected.tail}")
        assert visible(text).strip() == ANSWER
        again = prompts.target(text, form=form, tokenizer=tokenizer, prompt=prompt)
        assert tokenizer.decode(again) == f"{whole}{ANSWER}{expected.tail}"
    if expected.thoughts:
        assert not visible(sampled(expected.thoughts.partition("4")[0])).strip()


def test_an_evaluators_verdict_is_an_answer(way: tuple[Way, Any]) -> None:
    expected, tokenizer = way
    form = Wording("chat")
    asked = "Here is a math problem: 2 + 2?\nHere is a candidate solution: It is 4."
    text = prompts.evaluator("2 + 2?", "It is 4.", form=form, tokenizer=tokenizer)
    before = prompts.chat_prompt(asked, form, tokenizer) + expected.lead
    assert text == f"{before}The above candidate solution is"


def test_a_budget_ends_thoughts_with_their_token(way: tuple[Way, Any]) -> None:
    expected, tokenizer = way
    if expected.thoughts and not expected.budget:
        with pytest.raises(InputError, match="nor another that ends thoughts"):
            thought_end(tokenizer)
    elif expected.thoughts:
        assert tokenizer.decode([thought_end(tokenizer)]) == expected.budget


THINK = (
    USER + f"{REASON}<|bot|><|think|>{{{{ m.reasoning_content }}}}<|stop|>{{% endif %}}"
    "<|bot|><|content|>{{ m.content }}<|stop|>"
    + WRITE
    + "<|bot|>{% if effort == 'low' %}<|think|><|stop|><|bot|>{% endif %}{% endif %}"
).replace("<|bot|>", "<|begin|>assistant")
SHARED = Way(
    THINK.replace("<|stop|>", "<|end|>"),
    ("<|begin|>", "<|think|>", "<|content|>", "<|end|>"),
    "<|content|>",
    "<|end|>",
    eos="<|end|>",
)


def test_one_token_for_the_ends_of_thoughts_and_answers_is_refused(make_tokenizer: Any) -> None:
    """Samples had ended with their thoughts, without an answer or a word."""
    tokenizer = made(SHARED, make_tokenizer)
    with pytest.raises(InputError, match=r"ends thoughts with '<\|end\|>', which also ends"):
        prompts.refuse_shared_end(tokenizer, form=Wording("chat"))
    off = Wording("chat", template={"effort": "low"})
    prompts.refuse_shared_end(tokenizer, form=off)
    prompt = prompts.solver("2 + 2?", form=off, tokenizer=tokenizer)
    ids = prompts.target(ANSWER, form=off, tokenizer=tokenizer, prompt=prompt)
    assert tokenizer.decode(ids) == "<|content|>It is 4.<|end|>"


SWITCH = (
    "{% set ns = namespace(on=true) %}"
    + EACH
    + "{% if '/no_think' in m.content %}{% set ns.on = false %}{% endif %}"
    + "<|{{ m.role }}|>{{ m.content.replace('/no_think', '') }}<|stop|>{% endfor %}"
    + "{% if add_generation_prompt %}<|assistant|><think>"
    + "{% if not ns.on %}</think>{% endif %}{% endif %}"
)


@pytest.mark.parametrize(
    "said",
    [{"system": "/no_think"}, {"system": "Be brief. /no_think"}, {"instruction": "/no_think"}],
)
def test_a_switch_in_a_message_is_no_message_left_out(
    said: dict[str, Any], make_tokenizer: Any
) -> None:
    """It had been refused as left out; and a solution had got the end of a thought twice."""
    tokenizer = made(Way(SWITCH, ("<think>", "</think>"), "", ""), make_tokenizer)
    off, on = Wording("chat", **said), Wording("chat")
    prompt = prompts.solver("2 + 2?", form=off, tokenizer=tokenizer)
    assert prompt.endswith("<|assistant|><think></think>")
    assert prompts.reply(ANSWER, form=off, tokenizer=tokenizer, prompt=prompt) == ANSWER
    thinking = prompts.solver("2 + 2?", form=on, tokenizer=tokenizer)
    reply = prompts.reply(ANSWER, form=on, tokenizer=tokenizer, prompt=thinking)
    assert reply == f"\n</think>\n\n{ANSWER}"
    judged = prompts.evaluator("2 + 2?", "4", form=off, tokenizer=tokenizer)
    assert thoughts_end(judged) == len(
        judged.removesuffix("The above candidate solution is").rstrip()
    )


def test_a_solution_may_hold_a_switch_or_code(make_tokenizer: Any) -> None:
    """One such sample had ended the scoring of all: 'leaves out the message of the user'."""
    tokenizer = made(Way(SWITCH, ("<think>", "</think>"), "", ""), make_tokenizer)
    for solution in ("<think>2</think>4 </no_think>", "[{'type': 'text', 'text': '4'}]"):
        text = prompts.evaluator("2 + 2?", solution, form="chat", tokenizer=tokenizer)
        assert solution.replace("/no_think", "") in text


def test_a_message_without_its_words_is_left_out(make_tokenizer: Any) -> None:
    template = SWITCH.replace("{{ m.content", "{{ m.content.replace('brief', '')")
    tokenizer = made(Way(template, ("<think>", "</think>"), "", ""), make_tokenizer)
    with pytest.raises(InputError, match="leaves out the message of the system"):
        prompts.solver(
            "2?", form=Wording("chat", system="Be brief. /no_think"), tokenizer=tokenizer
        )


QWEN = (
    USER
    + f"<|bot|>{REASON}<think>\n{{{{ m.reasoning_content }}}}\n</think>\n\n{{% endif %}}"
    + "{{ m.content }}<|stop|>"
    + WRITE
    + "<|bot|>{% if open is defined %}<think>\n{% if not open %}</think>\n{% endif %}{% endif %}"
    + "{% endif %}"
)


@pytest.mark.parametrize(
    ("solution", "free", "open_prompt", "closed"),
    [
        ("<think>5</think>7", "<think>5</think>7", "5</think>7", "<think>5</think>7"),
        ("5\n</think>7", "<think>\n5\n</think>\n\n7", "5\n</think>7", "5\n</think>7"),
        ("[THINK]5[/THINK]7", "<think>\n5\n</think>\n\n7", "5\n</think>\n\n7",
         "[THINK]5[/THINK]7"),
        ("analysisThe 5.assistantfinal7", "<think>\nThe 5.\n</think>\n\n7",
         "The 5.\n</think>\n\n7", "analysisThe 5.assistantfinal7"),
        ("<think>\n\n</think>\n\n7", "<think>\n\n</think>\n\n7", "\n</think>\n\n7", "7"),
        ("[THINK][/THINK]7", "7", "\n</think>\n\n7", "7"),
        ("7", "7", "\n</think>\n\n7", "7"),
    ],
)  # fmt: skip
def test_thoughts_are_written_in_the_templates_marks(
    solution: str, free: str, open_prompt: str, closed: str, make_tokenizer: Any
) -> None:
    tokenizer = made(Way(QWEN, ("<think>", "</think>", "<|bot|>"), "", ""), make_tokenizer)
    for variables, whole in (({}, free), ({"open": True}, open_prompt), ({"open": False}, closed)):
        form = Wording("chat", template=variables)
        prompt = prompts.solver("2 + 5?", form=form, tokenizer=tokenizer)
        ids = prompts.target(solution, form=form, tokenizer=tokenizer, prompt=prompt)
        assert tokenizer.decode(ids) == f"{whole}<|stop|>"


def test_thoughts_of_a_server_become_a_channel(make_tokenizer: Any) -> None:
    """Servers keep gpt-oss's thoughts apart, and samples hold them as <think>."""
    channel = "<|channel|>final<|message|>"
    template = (
        USER
        + f"{REASON}<|start|>assistant<|channel|>analysis<|message|>{{{{ m.reasoning_content }}}}"
        + f"<|end|>{{% endif %}}<|start|>assistant{channel}{{{{ m.content }}}}<|stop|>"
        + WRITE
        + "<|start|>assistant{% endif %}"
    )
    special = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>")
    tokenizer = made(Way(template, special, "", ""), make_tokenizer)
    form = Wording("chat")
    prompt = prompts.solver("2 + 5?", form=form, tokenizer=tokenizer)
    whole = f"<|channel|>analysis<|message|>5<|end|><|start|>assistant{channel}7"
    for solution in (whole, "<think>\n5\n</think>\n\n7", "analysis5assistantfinal7"):
        ids = prompts.target(solution, form=form, tokenizer=tokenizer, prompt=prompt)
        assert tokenizer.decode(ids) == f"{whole}<|stop|>"


def test_a_thought_without_end_is_left_as_it_is() -> None:
    turn = Turn(lead="<think>\n\n</think>\n\n")
    assert turn.written("<think>\n2, 4", "<bot>") == "<think>\n2, 4"
    assert turn.written("\n4", "<bot>") == "<think>\n\n</think>\n\n4"


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_space_before_an_answer_is_learned_once(everywhere: bool, make_spaced: Any) -> None:
    """A tokenizer made from sentencepiece puts one before a text itself."""
    template = (
        EACH
        + "{% if m.role == 'user' %}<s>{{ m.content }} [/INST]{% else %}"
        + " {{ m.content }} </s>{% endif %}{% endfor %}"
    )
    tokenizer = make_spaced(everywhere=everywhere, template=template)
    form = Wording("chat", instruction="")
    prompt = prompts.solver("2+2?", form=form, tokenizer=tokenizer)
    learned = prompts.target("4 = 4", form=form, tokenizer=tokenizer, prompt=prompt)
    tokens = tokenizer.convert_ids_to_tokens(learned)
    assert "".join(tokens).replace("\u2581", " ") == " 4 = 4 </s>"
