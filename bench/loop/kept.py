"""Results of parts on disk, so that an interrupted run keeps what is done."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.code_digest import code_digest
from bench.store import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from bench.loop.plan import Plan


@dataclass(frozen=True)
class Kept:
    """A folder of results; each is one JSON file."""

    folder: Path = FOLDER / "loop"

    def find(self, name: str) -> dict[str, Any] | None:
        """The result of that name; None if there is none."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            return None
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def put(self, name: str, result: dict[str, Any]) -> None:
        """Keep a result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        building = self.folder / f"{name}.json-{os.getpid()}"
        building.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        building.replace(self.folder / f"{name}.json")

    def start(self, plan: Plan) -> Path:
        """Where the line of a plan is kept as it was taught, and every model made from it."""
        return self.folder / f"line-{digest(plan.start())}"


def name_of(plan: Plan) -> str:
    """What the result of a plan is called: another for other settings, or another BGAD."""
    return f"{plan.scenario}-{digest(asdict(plan))}"


def digest(settings: dict[str, Any]) -> str:
    """Of settings and of the code of the detector."""
    text = json.dumps([settings, code_digest("bgad")], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
