"""Canonical keys of answers, and the relation and clusters they induce. Between grade and votes."""

from collections.abc import Hashable, Sequence

from mathtune.answers.values.keys import canonical_key


def equivalent(a: str, b: str) -> bool:
    r"""Whether two answers state the same thing: reflexive, symmetric, transitive by construction.

    >>> equivalent(r"\frac{1}{2}", "0.5")
    True
    """
    return canonical_key(a) == canonical_key(b)


def cluster(answers: Sequence[str | None]) -> list[list[int]]:
    """Group the indices of equivalent answers; None joins no cluster.

    Clusters are ordered by their first member, members by index.

    >>> cluster(["1/2", "3", None, "0.5"])
    [[0, 3], [1]]
    """
    clusters: dict[Hashable, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is not None:
            clusters.setdefault(canonical_key(answer), []).append(index)
    return list(clusters.values())
