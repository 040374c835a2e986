"""What we depend on: bounds, the versions tested with, the extras that messages name, KaTeX."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mathtune.run.extras import BRINGS_TRAIN, EXTRAS

ROOT = Path(__file__).parents[1]
KATEX = ROOT / "src/mathtune/report/katex"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRA = {
    name: [Requirement(line) for line in lines]
    for name, lines in PROJECT["optional-dependencies"].items()
}
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
TESTED = ("train", "hub", "openai", "serve", "math-verify", "dev")
"""The extras of the environment that tests run in; the others have environments of their own."""


@pytest.mark.parametrize(
    "requirement",
    [*map(Requirement, PROJECT["dependencies"]), *(r for name in TESTED for r in EXTRA[name])],
    ids=str,
)
def test_the_version_tested_with_is_within_the_bounds(requirement: Requirement) -> None:
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    if requirement.name == "mathtune":
        assert requirement.extras <= set(TESTED)
    elif requirement.specifier:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    else:
        assert canonicalize_name(requirement.name) in pins


def test_versions_that_break_are_not_allowed() -> None:
    bounds = {
        r.name: r.specifier
        for r in [*map(Requirement, PROJECT["dependencies"]), *EXTRA["train"], *EXTRA["openai"]]
    }
    for name, broken in (
        ("pydantic", "2.10.0"),
        ("jinja2", "3.1.5"),
        ("httpx2", "3.0"),
        ("transformers", "6.0"),
    ):
        assert not bounds[name].contains(broken)


def test_the_extra_that_a_message_names_brings_the_package() -> None:
    for package, extra in EXTRAS.items():
        brought = {requirement.name for requirement in EXTRA[extra]}
        if "transformers" in brought:  # which brings two more
            brought |= {"safetensors", "huggingface-hub"}
        assert package.replace("_", "-") in brought


def test_the_extras_that_are_named_alone_bring_what_models_need() -> None:
    for name in BRINGS_TRAIN:
        assert any("train" in r.extras for r in EXTRA[name] if r.name == "mathtune")


def test_katex_is_the_recorded_version_unchanged() -> None:
    record = (KATEX / "VERSION").read_text(encoding="utf-8")
    script = (KATEX / "katex.min.js").read_bytes()
    assert f"sha256: {hashlib.sha256(script).hexdigest()}\n" in record
    version = re.search(rb'version:"([\d.]+)"', script)
    assert version is not None
    assert f"npm package katex@{version[1].decode()}, unchanged" in record
