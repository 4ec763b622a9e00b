"""Users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db import audit
from db.access import trusted
from db.errors import Conflict, NotFound
from db.tables import Role
from db.users import add_user, get_user

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def test_a_user_is_added_without_a_password_and_with_who_did_it(session: Session) -> None:
    add_user(session, "anna", Role.ENGINEER, actor=trusted("root"))
    session.commit()

    user = get_user(session, "anna")
    assert (user.role, user.password_hash, user.disabled_at) == ("engineer", None, None)
    (event,) = audit.list_events(session)
    assert (event.actor, event.action, event.subject) == ("root", "user.added", "user:anna")
    assert event.details == {"role": "engineer"}


def test_a_name_that_is_taken_is_a_conflict(session: Session) -> None:
    add_user(session, "anna", Role.OPERATOR, actor=trusted("root"))

    with pytest.raises(Conflict, match="there is a user 'anna' already"):
        add_user(session, "anna", Role.ADMIN, actor=trusted("root"))

    assert get_user(session, "anna").role == "operator"


def test_an_unknown_user_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound, match="there is no user 'bert'"):
        get_user(session, "bert")
