"""The claims: null studies decide few of them, planted ones are found, numbers by hand."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest

from mathtune.metrics.arrays import Floats
from mathtune.metrics.claims import Claim, Kind, Point, Study, better_predictor, mean_of, slope
from mathtune.metrics.fits import holds

PROBLEMS = 400
COVERAGE = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def simulated() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_by_simulation", COVERAGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decided(module: ModuleType, *, planted: bool, studies: int) -> Counter[tuple[str, str]]:
    rng = np.random.default_rng(4)
    found: Counter[tuple[str, str]] = Counter()
    for _ in range(studies):
        for claim in module.study(rng, planted=planted).claims():
            found[claim.claim, claim.answer] += 1
    return found


def test_null_studies_decide_almost_nothing(simulated: ModuleType) -> None:
    found = decided(simulated, planted=False, studies=60)
    wrong = Counter({claim: 0 for claim, _ in found})
    for (claim, answer), count in found.items():
        wrong[claim] += count * (answer != "cannot tell")
    assert len(wrong) == 7
    # 3 of 60 are allowed, and 8 happen to a rule of 5 % once in a hundred runs.
    assert max(wrong.values()) <= 7
    assert sum(wrong.values()) <= 7 * 4


def test_planted_studies_are_found(simulated: ModuleType) -> None:
    found = decided(simulated, planted=True, studies=30)
    yes = {claim: count for (claim, answer), count in found.items() if answer == "yes"}
    assert not any(answer == "no" for _, answer in found)
    for begin, least in (("Accuracy", 15), ("A union", 15), ("RFT beats", 15), ("Distinct", 8)):
        (count,) = (count for claim, count in yes.items() if claim.startswith(begin))
        assert count >= least, begin


def column(accuracy: float) -> Floats:
    """Right on the first problems: exactly this accuracy, and as hard for every point."""
    return (np.arange(PROBLEMS) < round(accuracy * PROBLEMS)).astype(float)


def judged(points: list[tuple[Point, float]]) -> dict[str, Claim]:
    study = Study([point for point, _ in points], [column(a)[None] for _, a in points])
    claims = study.claims()
    assert msgspec.json.encode(claims)  # NumPy's numbers have no JSON form
    return {claim.claim.split(" ")[0]: claim for claim in claims}


NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")
SIZES = (10, 1000, 100, 30, 3000, 20, 500, 50)
BASES = {
    name: {"base": name, "loss": 0.9 - 0.1 * i, "parameters": SIZES[i]}
    for i, name in enumerate(NAMES)
}
ACCURACY = {name: 0.3 + 0.07 * i for i, name in enumerate(NAMES)}


def point(name: str, kind: Kind, **more: object) -> Point:
    return Point(kind=kind, **{**BASES[name], **more})  # type: ignore[arg-type]


def data_curves(gain: dict[str, float]) -> list[tuple[Point, float]]:
    """On 40, 80, 160 problems, `gain` more at each doubling up to the base's accuracy."""
    return [
        (point(name, "sft", problems=160 // 2**halved), ACCURACY[name] - halved * gain[name])
        for name in gain
        for halved in range(3)
    ]


def test_loss_predicts_better_where_accuracy_follows_it() -> None:
    found = judged(data_curves(dict.fromkeys(NAMES, 0.05)))["The"]
    assert (found.answer, found.units) == ("yes", "8 bases")
    assert found.interval is not None
    # R2 is 1 on the loss, which accuracy follows; on ln N it is that of two orders of eight.
    logs = np.log(np.array(SIZES, dtype=float))
    of_size = np.corrcoef(logs, np.arange(8.0))[0, 1] ** 2
    assert found.interval.value == pytest.approx(1 - of_size, abs=0.01)
    three = judged(data_curves(dict.fromkeys(NAMES[:3], 0.05)))["The"]
    assert (three.answer, three.interval) == ("cannot tell", None)


def test_the_better_predictor_is_told() -> None:
    rng = np.random.default_rng(2)
    y = np.linspace(0, 1, 9)
    near, far = y + rng.normal(0, 0.03, 9), rng.normal(size=9)
    assert holds(better_predictor(near, far, y, draws=9)) == "yes"
    assert holds(better_predictor(far, near, y, draws=9)) == "no"
    assert holds(better_predictor(near, 2 * near, y, draws=9)) == "cannot tell"
    assert holds(better_predictor(near, far, np.ones(9), draws=9)) == "cannot tell"


def test_slopes_and_means_have_student_intervals() -> None:
    # Residuals 1, -2, 1 around y = x: variance 6, sum of squared x 2; of t with one degree of
    # freedom, 3.5 % are beyond tan(0.4825 pi) = 18.171.
    found = slope(np.array([-1.0, 0.0, 1.0]), np.array([0.0, -2.0, 2.0]))
    assert found.value == pytest.approx(1.0)
    assert found.high - found.value == pytest.approx(18.1708 * 3**0.5, abs=1e-3)
    mean = mean_of(np.array([0.0, 1.0, 2.0]))
    assert mean.high - 1.0 == pytest.approx(4.3027 / 3**0.5, abs=1e-3)


def test_log_linear_curves_and_linear_ones_are_told_apart() -> None:
    assert judged(data_curves(dict.fromkeys(NAMES, 0.05)))["Accuracy"].answer == "yes"
    amounts = (20, 40, 80, 120, 160)
    linear = [(point(name, "sft", problems=n), n / 200) for name in NAMES[:2] for n in amounts]
    found = judged(linear)["Accuracy"]
    assert found.answer == "no"
    assert found.interval is not None
    assert found.interval.value < 0
    assert judged(linear[: len(amounts)])["Accuracy"].answer == "cannot tell"


def test_the_gain_of_a_doubling_by_hand() -> None:
    falling = {name: 0.10 - 0.01 * i for i, name in enumerate(NAMES)}
    found = judged(data_curves(falling))["Better"]
    assert found.answer == "yes"
    assert found.interval is not None
    assert found.interval.value == pytest.approx(0.1, abs=0.01)  # 0.01 more per 0.1 bits
    rising = {name: 0.03 + 0.01 * i for i, name in enumerate(NAMES)}
    assert judged(data_curves(rising))["Better"].answer == "no"


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
    for by_paths, answer in ((True, "yes"), (False, "no")):
        points = [one for name in NAMES[:3] for one in sampled(name, by_paths=by_paths)]
        assert judged(points)["Distinct"].answer == answer


def test_gains_of_weaker_models_unions_and_controls() -> None:
    points = []
    for i, name in enumerate(NAMES[:5]):
        points += [
            (point(name, "sft", problems=100), 0.3),
            (point(name, "rft", k=2), 0.3),
            (point(name, "rft", k=8), 0.45 - 0.02 * i),
            (point(name, "union", k=8), 0.55),
            (point(name, "control", k=8, of="rft"), 0.3),
            (point(name, "control", k=8, of="no-dedup"), 0.9),
        ]
    found = judged(points)
    assert found["RFT"].answer == "yes"  # the last claim that begins so: against its control
    assert found["A"].answer == "yes"
    assert found["A"].interval is not None
    assert found["A"].interval.value == pytest.approx(0.55 - 0.41)
    assert found["A"].units == "5 bases"


def test_one_base_needs_several_seeds() -> None:
    points = [point("a", "rft", k=8), point("a", "control", k=8, of="rft")]
    once = Study(points, [column(0.5)[None], column(0.3)[None]]).claims()[-1]
    assert (once.answer, once.interval) == ("cannot tell", None)
    assert "several seeds" in once.number
    seeds = [np.stack([column(a) for a in (0.5, 0.51, 0.5)]), np.stack([column(0.3)] * 3)]
    several = Study(points, seeds).claims()[-1]
    assert (several.answer, several.units) == ("yes", "3 and 3 seeds of one base")


def test_what_the_points_do_not_allow_cannot_be_told() -> None:
    found = judged([(point("a", "sft", problems=100), 0.5)])
    assert {claim.answer for claim in found.values()} == {"cannot tell"}
    assert all(claim.interval is None for claim in found.values())
