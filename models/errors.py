"""Errors of the models package."""

from __future__ import annotations


class ModelError(Exception):
    """Root of everything models raises on purpose."""


class ShapeError(ModelError):
    """Raised when an array has another shape than the function takes."""


class NotFittedError(ModelError):
    """Raised when a detector is asked to score or save before it was fitted."""


class SettingError(ModelError):
    """Raised when a hyper-parameter is unknown or out of its range."""


class DivergedError(ModelError):
    """Raised when training meets a number that is not finite; the last good state is kept."""


class ArtifactError(ModelError):
    """Raised when a model folder is missing, incomplete, changed or cannot be written."""


class WeightsError(ModelError):
    """Raised when backbone weights cannot be had from any source, or do not fit the backbone."""


class DatasetError(ModelError):
    """Raised when a data set is missing, empty or laid out in another way than expected."""


class ImageError(ModelError):
    """Raised when bytes are not an image we accept; `reason` is a short code for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        #: One of: empty, not_an_image, truncated, damaged, too_large, unsupported.
        self.reason = reason


class SignatureInvalid(ArtifactError):
    """Raised when a model is not signed by any key that is trusted."""
