"""Who may change what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db.access import Actor, require, trusted
from db.errors import Forbidden
from db.lines import add_line
from db.tables import Role, utc_now
from db.users import add_user

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OPERATOR, [Role.OPERATOR]),
        (Role.ENGINEER, [Role.OPERATOR, Role.ENGINEER]),
        (Role.ADMIN, [Role.OPERATOR, Role.ENGINEER, Role.ADMIN]),
    ],
)
def test_a_role_includes_the_lesser_ones(session: Session, role: Role, allowed: list[Role]) -> None:
    add_user(session, "anna", role, actor=trusted("test"))

    for wanted in Role:
        if wanted in allowed:
            require(session, Actor("anna"), wanted)
        else:
            with pytest.raises(Forbidden, match=f"'anna' is an {role}, .* an {wanted}"):
                require(session, Actor("anna"), wanted)


def test_a_disabled_user_may_nothing_from_that_moment_on(session: Session) -> None:
    user = add_user(session, "anna", Role.ADMIN, actor=trusted("test"))
    user.disabled_at = utc_now()
    session.flush()

    with pytest.raises(Forbidden, match="'anna' is disabled"):
        add_line(session, "press", actor=Actor("anna"))


def test_someone_unknown_may_nothing_even_with_a_programs_name(session: Session) -> None:
    with pytest.raises(Forbidden, match="no user 'linewatch demo'"):
        require(session, Actor("linewatch demo"), Role.OPERATOR)


def test_a_change_by_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an actor"):
        trusted(" ")
