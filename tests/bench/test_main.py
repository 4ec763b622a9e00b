from __future__ import annotations

import importlib
import sys

import pytest

from bench import __main__ as module


@pytest.mark.parametrize("name", [*module.BENCHMARKS, *module.LONG])
def test_every_benchmark_that_is_listed_exists(name: str) -> None:
    assert callable(importlib.import_module(f"bench.{name}").main)


def test_arguments_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def main(arguments: list[str]) -> int:
        given.append(arguments)
        return 3

    monkeypatch.setattr("bench.ablation.main", main)
    monkeypatch.setattr(sys, "argv", ["bench", "ablation", "free", "elpv", "--seeds", "0"])

    assert module.main() == 3
    assert given == [["free", "elpv", "--seeds", "0"]]


def test_an_unknown_name_lists_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "acuracy"])

    assert module.main() == 2
    written = capsys.readouterr()
    assert "no benchmark 'acuracy'" in written.err
    assert "accuracy" in written.out
