"""The page at `/` in a real browser: it asks, shows clusters and the pick, and runs only itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mathtune.cli.serving.models import Drawn, Models
from mathtune.engines.protocol import Draft

pytestmark = pytest.mark.slow

EVIL = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">\n"
    r"Half is $\frac{1}{2}$. \(\href{javascript:document.title='owned'}{x}\)"
    "\n#### $\\frac{1}{2}$"
)


class Writes:
    """A generator that writes one text, and then one other."""

    chats = False

    async def sample(self, question: Any, sampling: Any, *, seed: int, first: int) -> Drawn:  # noqa: ARG002
        texts = [EVIL if (first + i) % 5 else "#### <b>3</b>" for i in range(sampling.n)]
        return Drawn([Draft(text, "stop", 9) for text in texts], 5)


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    page = chromium.new_page(viewport={"width": 360, "height": 800}, color_scheme="dark")
    page.faults = []
    page.on("console", lambda message: page.faults.append(message.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.faults.append(request.url))
    yield page
    page.close()


def quiet(page: Any, url: str) -> bool:
    """Whether nothing went wrong and nothing was asked of another server."""
    return all(one.startswith((url, "data:,")) for one in page.faults)


@pytest.mark.timeout(180)
def test_a_question_its_clusters_and_the_pick(start: Any, opened: Any) -> None:
    url = start(Models(Writes())).url
    opened.goto(url)
    opened.keyboard.type("What is half?")  # the field has the focus
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#solution .text")
    assert opened.locator("#clusters li").count() == 2
    assert opened.locator("#clusters li.pick").count() == 1
    assert "votes" in opened.inner_text("#clusters li.pick")
    assert "lead is sure" in opened.inner_text("#state")
    solution = opened.locator("#solution")
    assert solution.locator("math").count() == 2  # the fractions; the link is no formula
    assert "<script>" in solution.inner_text()
    assert r"\href{javascript:" in solution.inner_text()
    assert "<b>3</b>" in opened.inner_text("#clusters")
    assert opened.title() != "owned"
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        opened.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    )
    assert quiet(opened, url)


@pytest.mark.timeout(180)
def test_the_key_is_asked_for_and_errors_are_shown(start: Any, opened: Any) -> None:
    url = start(Models(Writes()), key="abc").url
    opened.goto(url)
    opened.fill("#question", "What?")
    opened.click("#ask")
    opened.wait_for_selector("#state.fault")
    assert "API key" in opened.inner_text("#state")
    opened.fill("#key", "abc")
    opened.click("#ask")
    opened.wait_for_selector("#solution .text")


@pytest.mark.timeout(180)
def test_escape_stops_a_question(start: Any, opened: Any) -> None:
    held = Held()
    running = start(Models(held))
    opened.goto(running.url)
    opened.fill("#question", "What?")
    opened.keyboard.press("Enter")
    opened.wait_for_function("document.getElementById('ask').disabled")
    while not running.service.running:
        pass  # the question is on its way
    opened.keyboard.press("Escape")
    opened.wait_for_function("document.getElementById('state').textContent === 'Stopped.'")
    while running.service.running:
        pass
    assert held.given_up == 1


class Held:
    """A generator that never ends by itself."""

    chats = False
    given_up = 0

    async def sample(self, question: Any, sampling: Any, *, seed: int, first: int) -> Drawn:  # noqa: ARG002
        import asyncio

        try:
            await asyncio.sleep(3600)
        finally:
            self.given_up += 1
        return Drawn([], 0)
