"""Figures as JSON for other programs, and as calm lines for people."""

from __future__ import annotations

import json
import math
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write `figures` to `path`, wholly or not at all; what is not a number becomes null."""
    text = json.dumps({name: _plain(value) for name, value in figures.items()}, indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def print_figures(figures: Mapping[str, Any]) -> None:
    """One figure a line, aligned; a list is counted, a figure that could not be had is a dash."""
    flat = dict(_flat(figures))
    width = max(len(name) for name in flat)
    for name, value in flat.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {_readable(value)}")


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {key}", inner) for key, inner in value.items())
        else:
            yield name, value


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _readable(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return str(len(value))
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
