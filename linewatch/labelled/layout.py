"""The folder's layout, and `linewatch.json` in it, which says of every file where it comes from.

train/good/<frame>.png          goods that models learn from
train/<class>/<frame>.png       defects that models learn from (other readers skip these folders)
train_masks/<class>/<frame>_mask.png
test/good/<frame>.png           what models are judged by
test/<class>/<frame>.png
ground_truth/<class>/<frame>_mask.png
linewatch.json
"""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import TYPE_CHECKING, Literal
from uuid import UUID  # noqa: TC003 - likewise

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.tables import SampleLabel, SampleSource, Side
from models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = "linewatch.json"
GOOD = "good"
#: Class folder of defects that nobody named.
UNNAMED = "defect"
#: By split: its side, and the folder of its masks.
SPLITS = {"train": (Side.TRAINING, "train_masks"), "test": (Side.GOLDEN, "ground_truth")}
_MAX_ID_CHARS = 128


class LabelledFile(BaseModel):
    """One picture."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Path below the folder, with `/`.
    file: str
    mask: str | None = None
    frame_id: UUID
    label: SampleLabel
    defect_class: str | None = None
    side: Side
    source: SampleSource
    part_id: str | None = Field(None, max_length=_MAX_ID_CHARS, pattern=r"^[^\x00]*$")
    lot_id: str | None = Field(None, max_length=_MAX_ID_CHARS, pattern=r"^[^\x00]*$")
    #: The frame that this one nearly is.
    near_duplicate_of: UUID | None = None
    reviewer: str | None = None
    reviewed_at: datetime | None = None


class Description(BaseModel):
    """What is in `linewatch.json`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1] = 1
    line: str
    exported_at: datetime
    #: Folder of a class -> its name.
    classes: dict[str, str]
    files: tuple[LabelledFile, ...]
    #: Labelled frames that are not in the folder: reason -> how many.
    left_out: dict[str, int] = {}


def read_description(root: Path) -> Description | None:
    """What the folder says about itself; None if it was not exported by us.

    Raises:
        DatasetError: if it cannot be read.
    """
    path = root / DESCRIPTION
    try:
        return Description.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise DatasetError(f"cannot read {path}: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DatasetError(
            f"{path}: {where}: {first['msg']}: restore it as it was exported, or remove it to "
            "import the pictures alone"
        ) from exc


def class_folders(names: list[str | None]) -> dict[str | None, str]:
    """A folder name for each class: safe on every file system, and no two the same."""
    folders: dict[str | None, str] = {}
    taken = {GOOD}
    for name in names:
        safe = UNNAMED if name is None else re.sub(r"[^\w.-]+", "_", name).strip("._") or UNNAMED
        number = 1
        folder = safe
        while folder.casefold() in taken:
            number += 1
            folder = f"{safe}-{number}"
        taken.add(folder.casefold())
        folders[name] = folder
    return folders
