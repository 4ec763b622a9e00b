from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import store as module
from bench.runs import Run
from bench.store import Store, do_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(data: Path) -> Run:
    return Run("patchcore", str(data))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def test_a_result_is_found_for_exactly_its_run(store: Store, run: Run) -> None:
    store.put(run, {"figure": 0.5})

    assert store.find(run) == {"figure": 0.5}
    assert store.find(replace(run, seed=1)) is None


def test_a_run_is_claimed_once(store: Store, run: Run) -> None:
    with store.claim(run) as first, store.claim(run) as second:
        assert first is not None
        assert second is None
        with store.claim(replace(run, seed=1)) as other:
            assert other is not None
    with store.claim(run) as again:
        assert again is not None


def test_a_claim_lasts_as_long_as_a_process_that_inherited_it(store: Store, run: Run) -> None:
    with store.claim(run) as lock:
        assert lock is not None
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]
        )
    with store.claim(run) as taken:
        assert taken is None
    child.communicate(b"\n")
    with store.claim(run) as free:
        assert free is not None


def test_done_and_claimed_runs_are_not_done_again(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [replace(run, seed=seed) for seed in range(4)]
    done = []

    def do(_: Store, run: Run, *__: object) -> bool:
        done.append(run.seed)
        return run.seed != 3

    monkeypatch.setattr(module, "_do", do)
    store.put(runs[0], {})

    with store.claim(runs[1]):
        failed = do_all(store, runs)

    assert done == [2, 3]
    assert failed == [runs[3]]


def test_a_run_on_a_set_that_is_not_there_fails_alone(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_do", lambda *_: True)
    lost = replace(run, data="/nowhere/parts")

    assert do_all(store, [lost, run]) == [lost]
    assert "does not exist" in capsys.readouterr().out


@pytest.mark.slow
def test_a_failing_process_leaves_its_last_words(
    store: Store, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(run, settings=(("coreset", 1),))

    assert do_all(store, [wrong], "nice -n 1") == [wrong]
    assert "unknown hyper-parameter 'coreset'" in capsys.readouterr().out
    assert store.find(wrong) is None
