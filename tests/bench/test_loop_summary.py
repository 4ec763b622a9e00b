"""The section and the plots from results that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.dom.minidom import parseString

import numpy as np
import pytest

from bench import results
from bench.loop import summary
from bench.loop.kept import Kept, name_of
from bench.loop.plan import ROUNDS, UNSEEN_CLASS, Plan

if TYPE_CHECKING:
    from pathlib import Path

PLANS = [Plan("tiles"), Plan("tiles", scenario=UNSEEN_CLASS, unseen="crack")]


def _share(count: int) -> dict[str, Any]:
    return {"escapes": {"count": count, "of": 9, "rate": count / 9}}


def _result(scenario: str) -> dict[str, Any]:
    """Two rounds: the first candidate is refused, the second promoted."""
    rng = np.random.default_rng(0)
    kinds = ["crack"] * 20 + ["bend"] * 20
    scores = {
        str(number): {
            "calibration": rng.random(150).tolist(),
            "good": rng.random(40).tolist(),
            "defect": (rng.random(40) + 0.3 * number).tolist(),
        }
        for number in (1, 2, 3)
    }
    one = {
        "target": 5, "confirmed": 5, "shown": 24, "state": "done", "seconds": 60.0,
        "answers": {"defect": 5, "good": 9, "wrong": 1, "audited": 3},
        "snapshot": {"anomaly defect": 4}, "made": 2, "live": 1,
        "message": "version 2 did not pass its gate: 3 of 9 golden defects escape it",
        "promotion": "refused",
    }  # fmt: skip
    gate = {"candidate": _share(3), "champion": _share(2), "reasons": ["3 of 9 escape it"]}
    better = {"candidate": _share(1), "champion": _share(2), "reasons": []}
    return {
        "rounds": [
            one,
            one | {"target": 10, "confirmed": 10, "shown": 60, "made": 3, "live": 3,
                   "promotion": "promoted", "message": "version 3 passed its gate"},
        ],
        "versions": [
            {"number": n, "backbone": "tf_efficientnet_lite0", "gate": g, "review": 2.0}
            for n, g in ((1, None), (2, gate), (3, better))
        ],
        "went_live": [1, 3],
        "golden": [
            {"number": 2, "champion": 1, "defects": 9, "escapes": 3, "champion_escapes": 2},
            {"number": 3, "champion": 1, "defects": 9, "escapes": 1, "champion_escapes": 2},
        ],
        "scores": scores,
        "parts": {
            "calibration": [f"c{i}" for i in range(150)],
            "good": [f"g{i}" for i in range(40)],
            "defect": [f"d{i}" for i in range(40)],
        },
        "kinds": kinds,
        "counts": {"taught": 100, "golden good": 20, "golden defect": 9, "stream": 200,
                   "left out": 0},
        "scenario": scenario,
    }  # fmt: skip


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Kept, Path]:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(summary, "DOCS", tmp_path / "docs")
    return Kept(tmp_path / "kept"), tmp_path


def test_all_that_is_kept_is_told_and_drawn(written: tuple[Kept, Path]) -> None:
    kept, folder = written
    for plan in PLANS:
        kept.put(name_of(plan), _result(plan.scenario))
    covered = {"escape_rate": 0.98, "process_escape_rate": 0.95}
    setting = {"a week; 100% reviewed": {"caught": 1.0, "covered": covered}}
    kept.put("audit-200", setting)
    kept.put("audit-2000", setting)

    summary.write(kept, PLANS, "promotion-0")

    text = (folder / "RESULTS.md").read_text()
    assert "## loop" in text
    assert "| 10 | 60 | 4 | 3, promoted | 3 |" in text
    # At 2.0 nothing is flagged: scores are below 1 + 0.3 * 3.
    assert text.count("| 100.0% | 0.0% |") == 3
    assert "2, not promoted: 3 of 9 golden defects escape it" in text
    assert "tiles, crack never shown" in text
    assert "than the one before: 0." in text
    assert "in 200 weeks 0 of 0 with 3 or more escapes caught on average and 1 of 1 with" in text
    assert "**98.0%**" in text
    for name in ("loop.svg", "audit.svg"):
        drawn = parseString((folder / "docs" / name).read_text())  # noqa: S318 - we wrote it
        assert drawn.documentElement.tagName == "svg"


def test_a_version_that_went_live_though_more_escaped_is_told(
    written: tuple[Kept, Path],
) -> None:
    kept, folder = written
    result = _result(ROUNDS)
    result["golden"][1]["escapes"] = 4
    kept.put(name_of(PLANS[0]), result)

    summary.write(kept, PLANS, "promotion-0")

    text = (folder / "RESULTS.md").read_text()
    assert "than the one before: 1." in text
    assert "Not measured yet: unseen-class on tiles." in text
