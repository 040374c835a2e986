"""Settings from YAML files and the command line: one reader with strict keys and plain values.

A recipe's settings are its own fields and, under a step's or a stage's name, those of its steps:

    n: 32                     # a field of the recipe
    train: {batch_size: 8}    # every train step
    ssft.learning_rate: 3e-4  # one step
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from mathtune.errors import InputError, SettingError


class _Loader(yaml.SafeLoader):
    """YAML in which 3e-4 is a number, 1:30, yes and 2026-01-01 are texts; keys are unique."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key!r} is there twice (line {line})")
        return super().construct_mapping(node, deep)


LONGEST, DEEPEST = 2**20, 50
"""The longest settings file in characters, and the deepest nesting of groups."""


def _load(text: str) -> Any:
    """Read one YAML document of plain values.

    Raises:
        YAMLError: no valid YAML, too long, too deep, or with an alias, which may contain itself or
        repeat a text a billion times.
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"longer than {LONGEST} characters")
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{event.anchor} (line {line}); write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels deep (line {line})")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is a SafeLoader)
    except ValueError as error:  # such as a number with thousands of digits
        raise yaml.YAMLError(str(error)) from None


_FLOAT, _BOOL, _INT, _TIME = (
    f"tag:yaml.org,2002:{name}" for name in ("float", "bool", "int", "timestamp")
)
_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] not in (_FLOAT, _BOOL, _INT, _TIME)]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"[-+]?\d+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN)$"),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def read(
    name: str | None,
    assignments: Sequence[str],
    *,
    package: str | None,
    heads: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Read the settings of `--config NAME|FILE`, replace those that are assigned, and nest them.

    `package` ships named settings as `NAME.yaml`. `heads` names the setting of a group that one
    text sets: with {"data": "source"}, `data=gsm8k` is `data.source=gsm8k`.
    Such an assignment discards the file's settings of the group: its sizes and splits belong to the
    file's own source.

    Raises:
        InputError: no such file or name, no valid YAML, or an assignment without `=`.

    Example:
        >>> read(None, ["ssft.learning_rate=3e-4", "n=8"], package=None)
        {'ssft': {'learning_rate': 0.0003}, 'n': 8}
    """
    heads = heads or {}
    settings = nested(parse(_text(name, package), where=name) if name else {}, heads=heads)
    given: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise InputError(f"{assignment!r}: not a setting; expected key=value.")
        given = merged(given, nested({key: value_of(value, where=key)}, heads=heads))
    for group, head in heads.items():
        if isinstance(given.get(group), Mapping) and head in given[group]:
            settings.pop(group, None)
    return merged(settings, given)


def parse(text: str, *, where: str) -> dict[str, Any]:
    """Parse YAML that holds a mapping.

    Raises:
        InputError: no valid YAML, a repeated key, or something other than a mapping.
    """
    try:
        settings = _load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: no valid YAML: {' '.join(str(error).split())}.") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not _named(settings):
        raise InputError(f"{where}: expected settings as `key: value` lines.")
    return settings


def _named(settings: Mapping[Any, Any]) -> bool:
    """Return whether all keys are texts, those of mappings inside too."""
    inner = (value for value in settings.values() if isinstance(value, Mapping))
    return all(isinstance(key, str) for key in settings) and all(map(_named, inner))


def value_of(text: str, *, where: str) -> Any:
    """Read one value as YAML would: `8`, `3e-4`, `true`, `[1, 2]`, `{a: 1}`, else text.

    Example:
        >>> value_of("3e-4", where="learning_rate"), value_of("a b", where="x")
        (0.0003, 'a b')
    """
    try:
        value = _load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{where}: no valid value: {' '.join(str(error).split())}.") from None
    if isinstance(value, Mapping) and not _named(value):
        raise InputError(f"{where}: found {text!r}; expected texts as its keys.")
    return value


def nested(
    settings: Mapping[str, Any], *, heads: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Unfold dotted keys, and texts given for a group that has a head (see `read`).

    Example:
        >>> nested({"ssft.epochs": 2, "ssft": {"seed": 1}})
        {'ssft': {'epochs': 2, 'seed': 1}}
        >>> nested({"data": "gsm8k", "data.limit": 9}, heads={"data": "source"})
        {'data': {'source': 'gsm8k', 'limit': 9}}
    """
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        inner = nested(value) if isinstance(value, Mapping) else value
        if heads and key in heads and isinstance(value, str):
            inner = {heads[key]: value}
        for part in reversed(key.split(".")):
            inner = {part: inner}
        tree = merged(tree, inner)
    return tree


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with `above` over it: mappings are merged, everything else is replaced.

    Raises:
        InputError: `above` sets parts of what `below` sets as a whole.
    """
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and key in result:
            if not isinstance(result[key], Mapping):
                raise InputError(f"{key}: set as a whole and in parts ({', '.join(value)}).")
            value = merged(result[key], value)
        result[key] = value
    return result


@contextmanager
def placed(name: str | None, assignments: Sequence[str], *, package: str | None) -> Iterator[None]:
    """Add file and line to the error of a setting that `--config NAME|FILE` gave.

    Raises:
        InputError: instead of a SettingError whose key is in the file and in no assignment.
    """
    try:
        yield
    except SettingError as error:
        asked = {assignment.partition("=")[0] for assignment in assignments}
        given = any(_leads(key, error.key) or _leads(error.key, key) for key in asked)
        line = _line(_text(name, package), error.key) if name and not given else None
        if line is None:
            raise
        raise InputError(f"{name}, line {line}: {error}") from None


def _line(text: str, key: str) -> int | None:
    r"""Return the line of the dotted `key`, or of the group around it; None: the file has neither.

    Example:
        >>> _line("n: 3\nssft:\n  epochs: 0\ntrain.seed: x\n", "ssft.epochs")
        3
        >>> _line("n: 3\ntrain.seed: x\n", "train.seed")
        2
    """
    node, line = yaml.compose(text, Loader=_Loader), None
    while isinstance(node, yaml.MappingNode):
        inner = None
        for name, value in node.value:
            if _leads(name.value, key):
                line, inner = name.start_mark.line + 1, value
                rest = key[len(name.value) + 1 :]
        node, key = inner, rest if inner is not None else key
    return line


def _leads(outer: str, key: str) -> bool:
    return key == outer or key.startswith(f"{outer}.")


def shipped(package: str) -> list[str]:
    """Return the names of the settings that `package` ships."""
    names = (file.name for file in files(package).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _text(name: str, package: str | None) -> str:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            with path.open(encoding="utf-8") as stream:
                return stream.read(LONGEST + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: cannot be read ({error}).") from None
    names = shipped(package) if package else []
    if package is None or name not in names:
        raise InputError(
            f"{name}: no such settings; expected a .yaml file or one of {', '.join(names) or '-'}."
        )
    return (files(package) / f"{name}.yaml").read_text(encoding="utf-8")
