"""What every detector's hyper-parameters share: stored in the manifest, changed by name."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from models.errors import ArtifactError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.artifact import Manifest

#: Fields that the manifest names by itself.
_APART = {"backbone", "input_height", "input_width"}


@dataclass(frozen=True)
class Hyperparameters:
    """Everything that decides a model but images, weights and seed.

    A detector derives its own; pydantic reads the annotations, so their types are imported at run
    time.
    """

    #: timm's name of the backbone.
    backbone: str = "tf_efficientnet_lite0"
    #: Images are resized to this height, in pixels.
    input_height: int = 256
    #: Images are resized to this width, in pixels.
    input_width: int = 256

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.input_height, self.input_width

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> Self:
        """Read what `stored` gave.

        Raises:
            ArtifactError: if they are another version's.
        """
        names = {field.name for field in fields(cls)} - _APART
        stored = dict(manifest.hyperparameters)
        image = {name: getattr(manifest, name) for name in _APART}
        try:
            if stored.keys() != names:
                raise ValueError(f"{sorted(stored.keys() ^ names)} are not in both")
            return TypeAdapter(cls).validate_python({**stored, **image})
        except ValueError as exc:
            raise ArtifactError(
                f"hyper-parameters {sorted(stored)} are not those of {manifest.detector}: "
                "train the model again with this version"
            ) from exc

    def stored(self) -> dict[str, Any]:
        """Everything that the manifest does not name by itself, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if name not in _APART}

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some fields changed, by name; texts are read as JSON where they are.

        Raises:
            SettingError: if there is no such field, or the value is not of its type.
        """
        known = [field.name for field in fields(self)]
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known
                raise SettingError(f"unknown hyper-parameter {name!r}: try {', '.join(near)}")
        values = asdict(self) | {name: _parsed(value) for name, value in settings.items()}
        try:
            return TypeAdapter(type(self)).validate_python(values)
        except ValidationError as exc:
            problem = exc.errors(include_url=False, include_context=False)[0]
            name = ".".join(map(str, problem["loc"]))
            message = problem["msg"].removeprefix("Value error, ")
            subject = f"{name}={problem['input']!r}: " if name else ""
            raise SettingError(f"hyper-parameter {subject}{message}") from exc


_Own = TypeVar("_Own", bound=Hyperparameters)


def choose(preset: _Own, backbone: str | None, settings: Mapping[str, Any] | None) -> _Own:
    """A preset's hyper-parameters with what the user wants changed.

    Raises:
        SettingError: as `Hyperparameters.changed`.
    """
    changes = dict(settings or {})
    if backbone is not None:
        changes["backbone"] = backbone
    return preset.changed(changes)


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
