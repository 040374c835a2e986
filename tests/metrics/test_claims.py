"""The claims: points made so that every answer is known, and turned around."""

from __future__ import annotations

import numpy as np
import pytest

from mathtune.metrics.claims import Claim, Kind, Point, Study
from mathtune.metrics.fits import Floats

PROBLEMS = 400


def column(accuracy: float) -> Floats:
    """Right on the first problems: exactly this accuracy, and as hard for every point."""
    return (np.arange(PROBLEMS) < round(accuracy * PROBLEMS)).astype(float)


def judged(points: list[tuple[Point, float]]) -> dict[str, Claim]:
    values = np.stack([column(accuracy) for _, accuracy in points], axis=1)
    study = Study([point for point, _ in points], values, resamples=500)
    return {claim.claim.split(" ")[0]: claim for claim in study.claims()}


def base(name: str, loss: float, parameters: int) -> dict[str, object]:
    return {"base": name, "loss": loss, "parameters": parameters}


BASES = {
    "weak": base("weak", 0.9, 10),
    "middle": base("middle", 0.6, 1000),
    "strong": base("strong", 0.3, 100),
}
ACCURACY = {"weak": 0.2, "middle": 0.4, "strong": 0.6}


def point(name: str, kind: Kind, **more: object) -> Point:
    return Point(kind=kind, **{**BASES[name], **more})  # type: ignore[arg-type]


def data_curves(gain: dict[str, float]) -> list[tuple[Point, float]]:
    """On 40, 80, 160 problems, `gain` more at each doubling up to the base's accuracy."""
    return [
        (point(name, "sft", problems=160 // 2**halved), ACCURACY[name] - halved * gain[name])
        for name in BASES
        for halved in range(3)
    ]


def test_loss_predicts_better_where_accuracy_follows_it() -> None:
    claim = judged(data_curves(dict.fromkeys(BASES, 0.05)))["The"]
    assert claim.answer == "yes"
    assert claim.interval is not None
    # R2 is 1 on the loss. On ln N: x is ln 10, ln 1000, ln 100, y is 0.2, 0.4, 0.6, so r = 1/2.
    assert claim.interval.value == pytest.approx(1 - 0.25)


def test_log_linear_curves_and_linear_ones_are_told_apart() -> None:
    assert judged(data_curves(dict.fromkeys(BASES, 0.05)))["Accuracy"].answer == "yes"
    linear = [(point("weak", "sft", problems=n), n / 200) for n in (20, 40, 80, 120, 160)]
    found = judged(linear)["Accuracy"]
    assert found.answer == "no"
    assert found.interval is not None
    assert found.interval.value < 0


def test_the_gain_of_a_doubling_by_hand() -> None:
    falling = judged(data_curves({"weak": 0.09, "middle": 0.06, "strong": 0.03}))["Better"]
    assert falling.answer == "yes"
    assert falling.interval is not None
    assert falling.interval.value == pytest.approx(0.1)  # 0.03 more per 0.3 bits
    rising = judged(data_curves({"weak": 0.03, "middle": 0.06, "strong": 0.09}))["Better"]
    assert rising.answer == "no"


def sampled(name: str, by_paths: bool) -> list[tuple[Point, float]]:
    """Accuracy that follows the paths, or the rows; no dedup has most rows and few paths."""
    made: list[tuple[Kind, int, float]] = [
        ("sft", 100, 0.0),
        ("rft", 200, 1.0),
        ("no-dedup", 800, 1.0),
        ("union", 400, 3.0),
    ]
    return [
        (
            point(name, kind, k=8, examples=rows, paths=paths, problems=100),
            0.2 + 0.1 * (np.log1p(paths) if by_paths else np.log(rows / 100)),
        )
        for kind, rows, paths in made
    ]


def test_paths_and_samples_are_told_apart() -> None:
    assert judged(sampled("weak", by_paths=True))["Distinct"].answer == "yes"
    assert judged(sampled("weak", by_paths=False))["Distinct"].answer == "no"


def test_gains_of_weaker_models_unions_and_controls() -> None:
    points = []
    for name, gain in {"weak": 0.15, "middle": 0.1, "strong": 0.05}.items():
        points += [
            (point(name, "sft", problems=100), 0.3),
            (point(name, "rft", k=2), 0.3),
            (point(name, "rft", k=8), 0.3 + gain),
            (point(name, "union", k=8), 0.5),
            (point(name, "control", k=8, of="rft"), 0.35),
            (point(name, "control", k=8, of="no-dedup"), 0.9),
        ]
    found = judged(points)
    assert found["RFT"].answer == "yes"  # the last claim that begins so: against its control
    assert found["A"].answer == "yes"
    assert found["A"].interval is not None
    assert found["A"].interval.value == pytest.approx(0.1)


def test_what_the_points_do_not_allow_cannot_be_told() -> None:
    found = judged([(point("weak", "sft", problems=100), 0.5)])
    assert {claim.answer for claim in found.values()} == {"cannot tell"}
    assert all(claim.interval is None for claim in found.values())
