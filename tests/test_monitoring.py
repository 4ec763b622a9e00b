"""The files for Prometheus and Grafana name what the exporter really serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ingest.frame import Frame
from ingest.stream import FrameStream, FullPolicy
from workers.exporter import PlantCollector

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

CONFIG = Path(__file__).parents[1] / "config"
NAME = re.compile(r"\blinewatch_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((CONFIG / "prometheus" / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CONFIG / "grafana" / "linewatch.json").read_text())[
        "panels"
    ]
    return found


@pytest.fixture
def served(redis_client: Redis, engine: Engine) -> set[str]:
    """Every sample name of a plant with one line, one frame and one retraining."""
    frame = Frame.capture("press", "top", 0, b"x", "image/png")
    stream = FrameStream(redis_client, "press")
    stream.push(frame, FullPolicy.BLOCK)
    tallies = {"verdict:PASS": 1, "quarantined:damaged": 1, "latency:5": 1, "batch:1": 1}
    stream.acknowledge(stream.read("w", 1), [1.0], tallies)
    found = {
        sample.name
        for family in PlantCollector(redis_client, engine).collect()
        for sample in family.samples
    }
    # These two have samples only where a model is active, or a training was asked for.
    return found | {"linewatch_active_model_info", "linewatch_retrainings"}


def test_every_metric_of_alarms_and_graphs_is_served(served: set[str]) -> None:
    wanted = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    for panel in panels():
        wanted |= {name for target in panel["targets"] for name in NAME.findall(target["expr"])}

    assert len(wanted) > 10
    assert wanted <= served


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_alarms_ring_when_they_should_and_only_then() -> None:
    cases = Path(__file__).with_name("alarms.promtool.yml")
    done = subprocess.run(
        ["promtool", "test", "rules", cases], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_has_its_case() -> None:
    cases = yaml.safe_load(Path(__file__).with_name("alarms.promtool.yml").read_text())["tests"]
    ringing = {
        one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]
    }
    assert ringing == {rule["alert"] for rule in rules()}


def test_every_alarm_says_what_to_do() -> None:
    for rule in rules():
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["remedy"]
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
