"""Hyper-parameters by name: read from texts, checked, stored."""

from __future__ import annotations

import pytest

from models.errors import SettingError
from models.patchcore.parameters import PatchCoreParameters


def test_texts_are_read_as_what_the_field_holds() -> None:
    changed = PatchCoreParameters().changed(
        {"strides": "[4, 8]", "coreset_fraction": "0.001", "bank_limit": "null", "reweight": "true"}
    )

    assert changed.strides == (4, 8)
    assert changed.coreset_fraction == 0.001
    assert changed.bank_limit is None
    assert changed.reweight is True
    assert changed.sigma == PatchCoreParameters().sigma


def test_a_misspelt_name_gets_a_proposal() -> None:
    with pytest.raises(SettingError, match=r"unknown hyper-parameter 'sigmo': try sigma"):
        PatchCoreParameters().changed({"sigmo": 1})


@pytest.mark.parametrize(
    ("name", "value"), [("neighbours", "many"), ("aggregation", "max"), ("strides", "8")]
)
def test_a_value_of_another_kind_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"hyper-parameter {name}"):
        PatchCoreParameters().changed({name: value})
