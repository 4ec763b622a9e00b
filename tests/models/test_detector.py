"""Detectors by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from models.detector import detector_class, detector_names
from models.errors import ModelError


def test_a_detector_is_found_by_its_own_name() -> None:
    assert [detector_class(name).name for name in detector_names()] == detector_names()


def test_an_unknown_detector_is_told_which_there_are() -> None:
    with pytest.raises(ModelError, match=r"unknown detector 'padim': expected one of .*patchcore"):
        detector_class("padim")


def test_the_list_of_detectors_loads_no_torch() -> None:
    code = "import sys; import models.detector, models.scorer; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
