"""Bulk grading: order, duplicates, threads, and workers that are killed and replaced."""

import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mathtune.answers import compare, compare_many, grade_many
from mathtune.answers.workers.pool import Pool, Worker
from mathtune.errors import ProcessDiedError
from mathtune.rows.records import Verdict

HANGS = r"9^{9^{9^{9}}} + x"
PAIRS = [
    (r"\sqrt{8}", r"2\sqrt{2}"),
    ("x+1", "x+2"),
    ("7", "7.0"),
    (None, "3"),
    ("", "3"),
    ("(1,2)", ""),
    (r"\sqrt{8}", r"2\sqrt{2}"),
]
EXPECTED = ["correct", "wrong", "correct", "no_answer", "no_answer", "undecided", "correct"]


@pytest.mark.parametrize("workers", [1, 2])
def test_bulk_equals_one_by_one(workers: int) -> None:
    assert compare_many(PAIRS, workers=workers) == EXPECTED
    assert [compare(answer, gold) for answer, gold in PAIRS] == EXPECTED


def test_more_pairs_than_batches_keep_their_order() -> None:
    pairs = [(f"x+{i}", f"{i % 3 + i}+x") for i in range(400)]
    verdicts = compare_many(pairs, workers=2)
    assert verdicts == ["correct" if i % 3 == 0 else "wrong" for i in range(400)]


def test_grade_many_reads_the_rule() -> None:
    pairs = [("so 5", "5"), (r"\boxed{x^2}", "x^2")]
    assert grade_many(pairs) == ["no_answer", "correct"]
    assert grade_many(pairs, rule="last-number") == ["correct", "correct"]


def test_nothing_to_grade() -> None:
    assert compare_many([]) == []
    assert grade_many([]) == []


def test_works_on_any_thread() -> None:
    found: list[list[Verdict]] = []
    threads = [
        threading.Thread(target=lambda: found.append(compare_many(PAIRS, workers=1)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [EXPECTED] * 4


def _in_a_daemon(results: "multiprocessing.SimpleQueue[list[str]]") -> None:
    results.put([verdict.value for verdict in compare_many(PAIRS, workers=1)])


def test_works_in_daemonic_processes() -> None:
    """Where multiprocessing refuses to start children, as in the workers of other pools."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=_in_a_daemon, args=(results,), daemon=True)
    process.start()
    assert results.get() == EXPECTED
    process.join()


def test_works_in_a_script_without_a_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from mathtune.answers import compare_many\n"
        "print(compare_many([('x+1', '1+x')], workers=1)[0].value)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "correct\n"
    assert done.stderr == ""


def test_a_dead_worker_is_replaced() -> None:
    worker = Worker("math")
    pair = (r"\sqrt{8}", r"2\sqrt{2}")
    assert worker.run([pair], limit=5, start=20) == ["correct"]
    assert worker._process is not None
    worker._process.kill()
    worker._process.wait()
    assert worker.run([pair] * 3, limit=5, start=20)[-1] == "correct"
    worker.kill()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_call_leaves_no_verdicts_for_the_next(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, receive = Pool(workers, "math"), Worker._receive

    def interrupted(worker: Worker, seconds: float) -> bytes | None:
        if worker._ready and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return receive(worker, seconds)

    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.run([("x+1", "1+x")] * 200, limit=10)
    assert pool.run([("x+1", "x+2")] * 200, limit=10) == [Verdict.wrong] * 200
    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.run_one(("x+1", "1+x"), limit=10)
    assert pool.run_one(("x+1", "x+2"), limit=10) == Verdict.wrong
    pool.close()


def test_what_hangs_is_killed_and_the_rest_goes_on() -> None:
    pytest.importorskip("math_verify")
    pool = Pool(1, "math-verify")
    pairs = [("1/2", "0.5"), (HANGS, "2"), ("3", "4"), (HANGS, "3"), (r"\frac{1}{2}", "0.5")]
    verdicts = pool.run(pairs, limit=1.0)
    pool.close()
    assert verdicts[0] == verdicts[4] == "correct"
    assert verdicts[2] == "wrong"
    assert verdicts[1] in ("undecided", "wrong")


@pytest.mark.timeout(60)
def test_a_call_that_hangs_is_ended() -> None:
    pytest.importorskip("math_verify")
    for _ in range(3):
        assert compare(HANGS, r"\sqrt{2}", grader="math-verify") in ("undecided", "wrong")
    while compare(r"\frac{1}{2}", "0.5", grader="math-verify") != "correct":
        pass


def test_memory_of_a_worker_is_bounded() -> None:
    pytest.importorskip("resource")
    pool = Pool(1, "math")
    assert pool.run([("x", "y")], limit=5.0) == ["wrong"]
    process = pool._workers[0]._process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits")
    if limits.exists():
        line = next(x for x in limits.read_text().splitlines() if x.startswith("Max address space"))
        assert int(line.split()[3]) <= 2 << 30
    pool.close()


@pytest.mark.parametrize("lack", [None, "setrlimit"])
def test_a_refused_memory_limit_is_no_limit(lack: str | None, tmp_path: Path) -> None:
    """As on macOS, which refuses the limit, and on Windows, which has no such module."""
    (tmp_path / "resource.py").write_text(
        "raise ImportError('none here')"
        if lack is None
        else "RLIMIT_AS = RLIM_INFINITY = 0\n"
        "def getrlimit(what): return 0, 0\n"
        "def setrlimit(what, limits): raise ValueError('current limit exceeds maximum limit')\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mathtune.answers import compare_many\n"
        "print(compare_many([('x+1', '1+x')], workers=1)[0].value)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("correct\n", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_cannot_start_is_an_error_with_its_last_words(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    pool = Pool(workers, "math")
    with pytest.raises(ProcessDiedError, match=r"a grading worker cannot start .*No module named"):
        pool.run([(f"x+{i}", "y") for i in range(200)], limit=1.0)
    with pytest.raises(ProcessDiedError, match="cannot start"):
        pool.run_one(("x", "y"), limit=20.0)
    pool.close()
