"""Plants, places to restore them to, and a backup."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from db.store import ImageStore
from linewatch.backup.saving import save
from tests.linewatch.backup.plant import Plant, quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Databases


@pytest.fixture
def make_plant(
    open_databases: Callable[[str], Databases], tmp_path: Path
) -> Iterator[Callable[[str], Plant]]:
    made: list[tuple[Databases, str, Plant]] = []

    def make(kind: str) -> Plant:
        databases = open_databases(kind)
        url = databases.make()
        plant = Plant(url, tmp_path / "plant")
        made.append((databases, url, plant))
        return plant

    yield make
    for databases, url, plant in made:
        plant.engine.dispose()
        databases.drop(url)


@pytest.fixture
def make_url(open_databases: Callable[[str], Databases]) -> Iterator[Callable[[str], str]]:
    made: list[tuple[Databases, str]] = []

    def make(kind: str) -> str:
        databases = open_databases(kind)
        made.append((databases, databases.make()))
        return made[-1][1]

    yield make
    for databases, url in made:
        databases.drop(url)


@pytest.fixture
def new_store(tmp_path: Path) -> ImageStore:
    return ImageStore(str(tmp_path / "new/images"), create=True)


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One that tests only read."""
    folder = tmp_path_factory.mktemp("plant")
    made = Plant(f"sqlite:///{folder}/linewatch.db", folder)
    yield made
    made.engine.dispose()


@pytest.fixture(scope="session")
def archive(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("archive") / "plant.tar"
    save(plant.engine, plant.store, file, progress=quietly)
    return file


@pytest.fixture
def saved(archive: Path, tmp_path: Path) -> Path:
    """A backup of `plant`, to be spoilt."""
    return shutil.copy(archive, tmp_path / "plant.tar")
