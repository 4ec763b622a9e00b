"""Errors of the db package."""

from __future__ import annotations


class DbError(Exception):
    """Root of everything db raises on purpose."""


class DatabaseUnavailable(DbError):
    """Raised when the database cannot be reached or used; the message says what to check."""


class SchemaOutdated(DbError):
    """Raised when the database's migrations do not match this version of the program."""


class NotFound(DbError):
    """Raised when a named line, camera, model version or inspection does not exist."""


class Conflict(DbError):
    """Raised when a change contradicts what is already stored."""


class StoreError(DbError):
    """Raised when the image store cannot take or give an image; the message says what to check."""


class ImageMissing(StoreError):
    """Raised when the image store holds no image under a key: never stored, or not kept."""


class Forbidden(DbError):
    """Raised when someone may not make a change: unknown, disabled, or of a lesser role."""


class WeakPassword(DbError):
    """Raised when a new password is refused: too short, too long, or the user's name."""


class LoginRefused(DbError):
    """Raised when a log-in fails; the message is the same whatever was wrong."""


class BadMask(DbError):
    """Raised when a defect's mask cannot be taken: no PNG, of another size, or empty."""


class TooFewSamples(Conflict):
    """Raised when a line has too few labelled frames to train or judge a model; says of which."""


class ImageDamaged(StoreError):
    """Raised when an image in the store no longer has the bytes that were stored."""


class RowsInvalid(DbError):
    """Raised when rows of a backup do not fit the database; says which."""


class MayNotMakeRoles(DbError):
    """Raised when the database's user may not make roles, or grant what they need."""
