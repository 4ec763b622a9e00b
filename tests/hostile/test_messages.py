"""Every message of the corpus is read, or refused with the field at fault."""

from __future__ import annotations

import pytest

from ingest.errors import MessageError
from ingest.frame import from_fields
from tests.hostile.messages import Message, messages

CASES = messages()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_read_or_its_fault_is_named(case: Message) -> None:
    if case.fault is None:
        assert from_fields(case.fields).camera == "c1"
        return
    with pytest.raises(MessageError) as caught:
        from_fields(case.fields)

    assert caught.value.field == case.fault
    assert len(str(caught.value)) < 400
