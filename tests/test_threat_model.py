"""The threat model's page names places that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()


def test_every_place_it_names_is_there() -> None:
    named = re.findall(r"`((?:\.ci|linewatch|ingest|workers|models|db|dashboard)/[\w./]*)`", PAGE)

    assert len(named) > 20
    assert [place for place in named if not (ROOT / place).exists()] == []
