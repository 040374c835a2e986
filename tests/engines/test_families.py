"""Chat templates in the manner of today's families: what is learned, where a turn ends, what of a
sample is a thought.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from mathtune.answers.visible import visible
from mathtune.engines import chat_template, prompts
from mathtune.engines.protocol import Draft
from mathtune.engines.thought_budget import opened, text_of, thought_end, thought_tokens
from mathtune.errors import InputError

EACH = "{% for m in messages %}"
TO_WRITE = "{% endfor %}{% if add_generation_prompt %}"
IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = EACH + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n" + TO_WRITE
THINK = ("<think>", "</think>")
HARMONY = ("<|endoftext|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>")
GEMMA4 = ("<eos>", "<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>")
FINAL = "<|channel|>final<|message|>"
THOUGHTS = "<think>\n2 and 2.\n</think>\n\n"


@dataclass
class Family:
    """A template, its special tokens, the end of its texts, and what is expected of a solution
    without thoughts (`plain`) and with them (`thoughtful`), the end of its turn included.
    """

    template: str
    special: tuple[str, ...]
    eos: str
    plain: str
    thoughtful: str
    thoughts: str = THOUGHTS
    marks: tuple[str, ...] = THINK
    variables: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "Qwen3": Family(
        EACH
        + "<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}<think>\n\n"
        + "</think>\n\n{% endif %}{{ m.content.split('</think>')[-1].lstrip() }}<|im_end|>\n"
        + TO_WRITE
        + "<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n"
        + "{% endif %}{% endif %}",
        IM,
        "<|im_end|>",
        "<think>\n\n</think>\n\nIt is 4.<|im_end|>",
        f"{THOUGHTS}It is 4.<|im_end|>",
    ),
    "Qwen3-Next, thinking": Family(
        CHATML + "<|im_start|>assistant\n<think>\n{% endif %}",
        IM,
        "<|im_end|>",
        "\n</think>\n\nIt is 4.<|im_end|>",
        "2 and 2.\n</think>\n\nIt is 4.<|im_end|>",
    ),
    "DeepSeek-R1's distilled models": Family(
        EACH
        + "{% if m.role == 'user' %}<｜User｜>{{ m.content }}{% else %}<｜Assistant｜>"
        + "{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}"
        + TO_WRITE
        + "<｜Assistant｜><think>\n{% endif %}",
        ("<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        "<｜end▁of▁sentence｜>",
        "\n</think>\n\nIt is 4.<｜end▁of▁sentence｜>",
        "2 and 2.\n</think>\n\nIt is 4.<｜end▁of▁sentence｜>",
    ),
    "gpt-oss": Family(
        "<|start|>system<|message|>Date: {{ strftime_now('%Y-%m-%d') }}<|end|>"
        + EACH
        + "{% if m.role == 'assistant' %}<|start|>assistant<|channel|>final<|message|>"
        + "{{ m.content }}<|return|>{% else %}"
        + "<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}"
        + TO_WRITE
        + "<|start|>assistant{% endif %}",
        HARMONY,
        "<|return|>",
        f"{FINAL}It is 4.<|return|>",
        f"<|channel|>analysis<|message|>2 and 2.<|end|><|start|>assistant{FINAL}It is 4.<|return|>",
        f"<|channel|>analysis<|message|>2 and 2.<|end|><|start|>assistant{FINAL}",
        (),
    ),
    "Gemma 4": Family(
        "<bos>"
        + EACH
        + "<|turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}<turn|>\n"
        + TO_WRITE
        + "<|turn>model\n{% endif %}",
        GEMMA4,
        "<eos>",
        "It is 4.<turn|>",
        "<|channel>thought\n2 and 2.\n<channel|>It is 4.<turn|>",
        "<|channel>thought\n2 and 2.\n<channel|>",
        (),
    ),
    "Magistral": Family(
        "<s>"
        + EACH
        + "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %}{{ m.content }}</s>"
        + "{% endif %}{% endfor %}",
        ("</s>", "<s>", "[INST]", "[/INST]", "[THINK]", "[/THINK]"),
        "</s>",
        "It is 4.</s>",
        "[THINK]2 and 2.[/THINK]It is 4.</s>",
        "[THINK]2 and 2.[/THINK]",
        (),
    ),
    "GLM 4.5": Family(
        "[gMASK]<sop>"
        + EACH
        + "<|{{ m.role }}|>\n{% if m.role == 'assistant' %}<think></think>\n{% endif %}"
        + "{{ m.content }}"
        + TO_WRITE
        + "<|assistant|>{% endif %}",
        ("<|endoftext|>", "[gMASK]", "<sop>", "<|user|>", "<|assistant|>"),
        "<|endoftext|>",
        "\n<think></think>\nIt is 4.<|endoftext|>",
        f"\n{THOUGHTS}It is 4.<|endoftext|>",
    ),
    "SmolLM3, no thinking": Family(
        CHATML
        + "<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n{% endif %}"
        + "{% endif %}",
        IM,
        "<|im_end|>",
        "It is 4.<|im_end|>",
        f"{THOUGHTS}It is 4.<|im_end|>",
        variables={"enable_thinking": False},
    ),
    "OLMo 3, thinking": Family(
        EACH
        + "<|im_start|>{{ m.role }}\n{{ m.content }}{% if loop.last and m.role == 'assistant' %}"
        + "{{ eos_token }}{% else %}<|im_end|>\n{% endif %}"
        + TO_WRITE
        + "<|im_start|>assistant\n<think>{% endif %}",
        IM,
        "<|endoftext|>",
        "\n</think>\n\nIt is 4.<|endoftext|>",
        "\n2 and 2.\n</think>\n\nIt is 4.<|endoftext|>",
    ),
    "Phi-4": Family(
        EACH
        + "<|im_start|>{{ m.role }}<|im_sep|>{{ m.content }}<|im_end|>"
        + TO_WRITE
        + "<|im_start|>assistant<|im_sep|>{% endif %}",
        (*IM, "<|im_sep|>"),
        "<|endoftext|>",
        "It is 4.<|im_end|>",
        f"{THOUGHTS}It is 4.<|im_end|>",
    ),
}


@pytest.fixture
def chatting(request: pytest.FixtureRequest, make_tokenizer: Any) -> tuple[Family, Any]:
    family = FAMILIES[request.param]
    tokenizer = make_tokenizer(special=family.special, eos=family.eos)
    tokenizer.add_tokens(list(family.marks))
    tokenizer.chat_template = family.template
    return family, tokenizer


every = pytest.mark.parametrize("chatting", FAMILIES, indirect=True)


@every
def test_a_solution_is_learned_as_the_template_writes_one(chatting: tuple[Family, Any]) -> None:
    family, tokenizer = chatting
    form = prompts.Wording("chat", template=family.variables)
    prompt = prompts.solver("2 + 2?", form=form, tokenizer=tokenizer)

    def learned(solution: str, **more: Any) -> str:
        wording = prompts.Wording("chat", template=family.variables, **more)
        ids = prompts.target(solution, form=wording, tokenizer=tokenizer, prompt=prompt)
        return str(tokenizer.decode(ids))

    assert learned("It is 4.") == family.plain
    assert learned(family.plain) == family.plain  # not doubled
    assert learned(f"{family.thoughts}It is 4.") == family.thoughtful
    assert learned(f"{family.thoughts}It is 4.", thoughts="drop") == family.plain
    reply = prompts.reply(
        f"{family.thoughts}It is 4.", form=form, tokenizer=tokenizer, prompt=prompt
    )
    ids = tokenizer.encode(reply, add_special_tokens=False)
    read = thought_tokens(reply, ids, tokenizer=tokenizer)  # thoughts=read
    assert tokenizer.decode(ids[read:]).strip() == "It is 4."


@every
def test_thoughts_of_a_sample_are_no_answer(chatting: tuple[Family, Any]) -> None:
    family, tokenizer = chatting
    form = prompts.Wording("chat", template=family.variables)
    prompt = prompts.solver("2 + 2?", form=form, tokenizer=tokenizer)
    ids = tokenizer.encode(family.thoughtful, add_special_tokens=False)[:-1]

    def sampled(count: int) -> str:
        return opened([Draft(text_of(ids[:count], tokenizer), "stop", 1)], prompt)[0].text

    whole = sampled(len(ids))
    assert visible(whole).strip() == "It is 4."
    unfinished = thought_tokens(family.thoughtful, ids, tokenizer=tokenizer) - 1
    assert visible(sampled(unfinished)).strip() == ""
    # A sample is learned again as it was written.
    again = prompts.target(whole, form=form, tokenizer=tokenizer, prompt=prompt)
    assert tokenizer.decode(again) == family.thoughtful


@every
def test_a_budget_ends_thoughts_with_the_familys_token(chatting: tuple[Family, Any]) -> None:
    family, tokenizer = chatting
    if "<|channel|>" in family.special:
        with pytest.raises(InputError, match="has no token '</think>', nor another"):
            thought_end(tokenizer)
        return
    mark = next(one for one in ("</think>", "[/THINK]", "<channel|>") if one in family.thoughts)
    assert tokenizer.decode([thought_end(tokenizer)]) == mark


@pytest.mark.timeout(120)
def test_a_template_without_an_answer_in_time_is_no_template_without_an_end(
    make_tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine, the text's end token was learned instead of the turn's."""
    tokenizer = make_tokenizer(special=IM, eos="<|endoftext|>")
    tokenizer.chat_template = CHATML + "<|im_start|>assistant\n{% endif %}"
    form = prompts.Wording("chat")
    with monkeypatch.context() as patched:
        patched.setattr(chat_template, "SECONDS", 0.0)
        with pytest.raises(InputError, match="did not end within"):
            prompts.end_token(tokenizer, form=form)
    assert tokenizer.decode([prompts.end_token(tokenizer, form=form)]) == "<|im_end|>"
