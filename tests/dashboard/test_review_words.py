"""Classes, masks, blind checks, second opinions and claims on the Review page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dashboard import deciding, drawing
from db import review_claims, review_queue
from db.access import Actor, trusted
from db.defect_classes import add_class, retire_class
from db.errors import BadMask, DatabaseUnavailable
from db.lines import get_line
from db.masks import encode_mask, read_mask
from db.reviews import add_review, confirmed, current_review
from db.tables import Decision, Inspection, Line, Review, ReviewClaim, ReviewQueue, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from streamlit.testing.v1 import AppTest

    from tests.dashboard.conftest import Plant

    Opener = Callable[[str], AppTest]
    Reader = Callable[[AppTest], str]

CLASSES = ("crack", "dent", "scratch")


@pytest.fixture
def queue(plant: Plant) -> list[int]:
    """Three flagged frames, newest first, of a line that knows three classes."""
    plant.add_line()
    with Session(plant.engine) as session, session.begin():
        for name in CLASSES:
            add_class(session, get_line(session, "press"), name, actor=trusted("eve"))
    return [plant.add_frame(score) for score in (1.2, 2.2, 3.3)][::-1]


def card(html: str) -> int:
    """The inspection on show."""
    return int(html.partition('data-card="')[2].partition('"')[0])


def stored(plant: Plant) -> list[tuple[int, str, str | None, bool]]:
    """Every review: inspection, decision, class, whether it has a mask."""
    with Session(plant.engine) as session:
        found = session.scalars(select(Review).order_by(Review.id))
        return [
            (r.inspection_id, r.decision, r.defect_class, r.mask_key is not None) for r in found
        ]


def say(plant: Plant, who: str, inspection: int, decision: Decision, **options: Any) -> None:
    """Somebody else's word."""
    with Session(plant.engine) as session, session.begin():
        current = current_review(session, inspection)
        add_review(
            session, inspection, decision, reviewer=trusted(who),
            after=current.id if current else None, **options,
        )  # fmt: skip


def look_at(page: AppTest, queue: ReviewQueue) -> AppTest:
    page.session_state[deciding.QUEUE_KEY] = queue
    return page.run()


def test_a_class_decides_and_the_proposed_mask_goes_with_it(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    assert 'class="lw-contour"' in html_of(page)

    page.button(key=f"class-2-{queue[0]}").click().run()

    assert stored(plant) == [(queue[0], "defect", "dent", True)]
    with Session(plant.engine) as session:
        word = confirmed(session, queue[0])
    assert word is not None
    assert word.mask_key is not None
    marked = read_mask(plant.store.get(word.mask_key), height_px=48, width_px=64)
    # The map glows in rows and columns 2 and 3 of 8, where a row is 6 pixels and a column 8.
    assert marked[15:21, 20:28].all()
    assert not marked[:10].any()
    assert not marked[:, 36:].any()
    assert card(html_of(page)) == queue[1]


def test_defect_asks_for_the_class_and_a_second_time_means_none_of_them(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")

    page.button(key=f"defect-{queue[0]}").click().run()
    asked = html_of(page)
    page.button(key=f"class-1-{queue[0]}").click().run()
    page.button(key=f"defect-{queue[1]}").click().run()
    page.button(key=f"defect-{queue[1]}").click().run()

    assert card(asked) == queue[0]
    assert "Which defect? Press its number" in asked
    assert stored(plant) == [
        (queue[0], "defect", "crack", True),
        (queue[1], "defect", None, True),
    ]


def test_a_mask_can_be_left_out_and_taken_back_in(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")

    page.button(key=f"mask-{queue[0]}").click().run()
    assert 'class="lw-contour faint"' in html_of(page)
    page.button(key=f"class-1-{queue[0]}").click().run()
    for _ in range(2):
        page.button(key=f"mask-{queue[1]}").click().run()
    page.button(key=f"class-1-{queue[1]}").click().run()

    assert [masked for *_, masked in stored(plant)] == [False, True]


def test_a_good_part_gets_no_mask(plant: Plant, queue: list[int], open_page: Opener) -> None:
    page = open_page("review")

    page.button(key=f"good-{queue[0]}").click().run()

    assert stored(plant) == [(queue[0], "good", None, False)]


def test_a_class_deleted_meanwhile_is_refused_with_a_word_and_the_card_stays(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    with Session(plant.engine) as session, session.begin():
        retire_class(session, get_line(session, "press"), "dent", actor=trusted("eve"))

    page.button(key=f"class-2-{queue[0]}").click().run()

    html = html_of(page)
    assert "no defect class &#x27;dent&#x27;, or not any more" in html
    assert card(html) == queue[0]
    assert stored(plant) == []
    page.button(key=f"class-2-{queue[0]}").click().run()  # now the second one there is
    assert stored(plant) == [(queue[0], "defect", "scratch", True)]


def test_an_audit_card_tells_nothing_of_what_the_machine_found(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    drawn = plant.add_frame(0.7345, audit_probability=0.1)
    page = look_at(open_page("review"), ReviewQueue.AUDIT)

    html = html_of(page)

    assert card(html) == drawn
    assert "Blind check" in html
    for telling in ("0.73", "PASS", "lw-heat", "lw-contour", "lw-score", "data-focus", "lw-hist"):
        assert telling not in html
    assert not page.slider
    page.button(key=f"class-1-{drawn}").click().run()
    assert stored(plant) == [(drawn, "defect", "crack", False)]


def test_an_audit_card_somebody_was_unsure_about_stays_blind(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    drawn = plant.add_frame(0.7345, audit_probability=0.1)
    say(plant, "Ada", drawn, Decision.UNSURE)

    html = html_of(look_at(open_page("review"), ReviewQueue.SECOND_OPINION))

    assert card(html) == drawn
    assert "0.73" not in html
    assert "lw-heat" not in html


def test_a_second_opinion_sees_the_first_and_follows_it(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    with Session(plant.engine) as session, session.begin():
        session.execute(update(Line).values(needs_second_opinion=True))
    mask = np.zeros((48, 64), bool)
    mask[40:44, 2:6] = True
    mask_key = plant.store.put(encode_mask(mask), ".png")
    say(plant, "Ada", queue[0], Decision.DEFECT, defect_class="dent", mask_key=mask_key)
    page = look_at(open_page("review"), ReviewQueue.SECOND_OPINION)
    assert "<b>defect, dent</b> Ada" in html_of(page)

    page.button(key=f"class-2-{queue[0]}").click().run()

    with Session(plant.engine) as session:
        word = confirmed(session, queue[0])
    assert word is not None
    # Ada's mask, not the machine's: the same bytes have the same key.
    assert (word.defect_class, word.mask_key) == ("dent", mask_key)
    assert "Nothing to review" in html_of(page)


def test_nobody_is_shown_their_own_word_for_a_second_opinion(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.button(key=f"unsure-{queue[0]}").click().run()

    assert "Nothing to review" in html_of(look_at(page, ReviewQueue.SECOND_OPINION))


def test_a_third_person_settles_a_disagreement(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    say(plant, "Ada", queue[0], Decision.GOOD)
    say(plant, "Ben", queue[0], Decision.DEFECT)
    page = look_at(open_page("review"), ReviewQueue.DISAGREEMENT)
    html = html_of(page)
    assert "<b>good</b> Ada" in html
    assert "<b>defect</b> Ben" in html

    page.button(key=f"good-{queue[0]}").click().run()

    with Session(plant.engine) as session:
        word = confirmed(session, queue[0])
    assert word is not None
    assert word.label == "good"


def test_a_word_that_came_in_between_is_shown_before_the_press_counts(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    say(plant, "Ada", queue[0], Decision.UNSURE)
    page = look_at(open_page("review"), ReviewQueue.SECOND_OPINION)
    say(plant, "Ben", queue[0], Decision.UNSURE)

    page.button(key=f"good-{queue[0]}").click().run()
    html = html_of(page)
    page.button(key=f"good-{queue[0]}").click().run()

    assert "was reviewed meanwhile" in html
    assert "<b>unsure</b> Ben" in html
    assert [decision for _, decision, *_ in stored(plant)] == ["unsure", "unsure", "good"]


def test_undo_goes_back_to_the_queue_the_card_was_in(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.button(key=f"good-{queue[0]}").click().run()
    look_at(page, ReviewQueue.AUDIT)

    page.button(key="undo").click().run()

    assert card(html_of(page)) == queue[0]
    assert page.session_state[deciding.QUEUE_KEY] == ReviewQueue.FLAGGED


def test_two_browsers_never_show_the_same_card(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    first, second = open_page("review"), open_page("review")
    shown = [card(html_of(first)), card(html_of(second))]

    first.button(key=f"good-{queue[0]}").click().run()
    second.button(key=f"skip-{queue[1]}").click().run()

    assert shown == queue[:2]
    # The first has the third; the second, after the oldest, comes round to the one it skipped.
    assert [card(html_of(first)), card(html_of(second))] == [queue[2], queue[1]]


def test_a_card_taken_over_after_a_long_absence_is_not_decided_twice(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    with Session(plant.engine) as session, session.begin():
        session.execute(update(ReviewClaim).values(expires_at=utc_now() - timedelta(seconds=1)))
        review_claims.claim(session, "another window", [queue[0]])

    page.button(key=f"good-{queue[0]}").click().run()

    assert stored(plant) == []
    html = html_of(page)
    assert "Somebody else has that part on their screen" in html
    assert card(html) == queue[1]


def test_leaving_the_page_frees_its_card(plant: Plant, queue: list[int], open_page: Opener) -> None:
    page = open_page("review")

    page.switch_page("views/live.py").run()

    with Session(plant.engine) as session:
        assert session.scalars(select(ReviewClaim)).all() == []


def test_who_may_not_review_any_more_is_told(
    plant: Plant,
    queue: list[int],
    open_page: Opener,
    html_of: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = open_page("review")
    monkeypatch.setattr(deciding, "current_actor", lambda: Actor("gone"))

    page.button(key=f"good-{queue[0]}").click().run()

    assert stored(plant) == []
    assert "There is no user &#x27;gone&#x27;" in html_of(page)


def test_going_back_while_the_database_is_away_says_so_and_keeps_the_card(
    queue: list[int], open_page: Opener, html_of: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("review")

    def away(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(review_queue, "next_newer", away)
    page.button(key=f"back-{queue[0]}").click().run()

    assert not page.exception
    assert "The database cannot be read" in html_of(page)
    assert page.button(key=f"good-{queue[0]}")


def test_filters_narrow_the_queue_and_can_be_cleared(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.session_state["filters"] = True  # opened
    page.run()
    fields = {field.key for field in [*page.number_input, *page.date_input, *page.selectbox]}
    page.session_state["filter_low"], page.session_state["filter_high"] = 2.0, 3.0
    narrowed = html_of(page.run())
    page.session_state["filter_since"] = utc_now().date() + timedelta(days=2)
    none = html_of(page.run())
    page.session_state["filters"] = True
    page.run()
    next(b for b in page.button if b.label == "Clear filters").click().run()

    assert fields >= {"filter_since", "filter_until", "filter_low", "filter_high", "filter_model"}
    assert card(narrowed) == queue[1]
    assert "1 waiting" in narrowed
    assert "Filters are set: clear them" in none
    assert card(html_of(page)) == queue[0]
    assert "3 waiting" in html_of(page)


def test_a_filter_that_a_queue_does_not_have_is_not_counted_there(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.session_state["filter_high"] = 0.5
    flagged = html_of(page.run())
    page.session_state["queue"] = ReviewQueue.AUDIT
    audit = html_of(page.run())

    assert "Filters are set: clear them" in flagged
    assert "Nothing to review" in audit
    assert "Filters are set" not in audit


def test_dismissing_says_how_many_and_that_they_do_not_count(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    page.session_state["dismissing"] = True
    page.session_state["filter_low"] = 2.0
    page.run()
    html = html_of(page)
    assert "Dismiss 2 parts?" in html
    assert "do not count as reviewed" in html
    later = plant.add_frame(5.0)

    page.button(key="dismiss-all").click().run()

    assert sorted(stored(plant)) == [(each, "dismissed", None, False) for each in sorted(queue[:2])]
    assert "2 parts were dismissed" in html_of(page)
    assert card(html_of(page)) == later


def test_a_second_model_on_another_scale_has_a_histogram_of_its_own_only(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    html = html_of(open_page("review"))

    assert 'alt="The last 3 scores of the line"' in html


def data_uri(mask: np.ndarray[Any, Any]) -> str:
    from base64 import b64encode

    return drawing.PREFIX + b64encode(encode_mask(mask)).decode()


def a_look(plant: Plant, inspection: int) -> deciding.Look:
    from db.inspections import get

    with Session(plant.engine) as session:
        return deciding.Look(get(session, inspection), ReviewQueue.FLAGGED, [], is_drawing=True)


def test_a_drawn_mask_is_enlarged_to_the_picture_and_taken(plant: Plant, queue: list[int]) -> None:
    look = a_look(plant, queue[0])
    small = np.zeros((24, 32), bool)
    small[5:10, 10:20] = True

    drawing.accept(look, data_uri(small), 24, 32)

    assert look.drawn is not None
    assert (look.is_mask_accepted, look.is_drawing) == (True, False)
    full = read_mask(look.drawn.png, height_px=48, width_px=64)
    # Twice as large, edges where they were.
    assert full.sum() == 10 * 20
    assert full[10:20, 20:40].all()


def test_a_drawn_mask_stays_on_show_while_it_is_left_out_and_can_be_taken_again(
    plant: Plant, queue: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = a_look(plant, queue[0])
    drawing.accept(look, data_uri(np.ones((24, 32), bool)), 24, 32)
    monkeypatch.setattr(deciding, "place", lambda: deciding.Place(look=look))

    deciding.toggle_mask(queue[0])
    assert (look.is_mask_accepted, look.shown_mask()) == (False, look.drawn)

    deciding.toggle_mask(queue[0])
    assert (look.is_mask_accepted, look.shown_mask()) == (True, look.drawn)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("data:text/html;base64,AAAA", "sent no mask"),
        (drawing.PREFIX + "%%%", "damaged mask"),
        (drawing.PREFIX + "AAAA", "are no PNG"),
        (data_uri(np.ones((30, 32), bool)), "the mask has 32 x 30 pixels and the picture 32 x 24"),
        (data_uri(np.zeros((24, 32), bool)), "marks nothing in the picture"),
    ],
)
def test_a_bad_mask_from_the_browser_is_refused_and_the_canvas_stays(
    plant: Plant, queue: list[int], sent: str, words: str
) -> None:
    look = a_look(plant, queue[0])

    with pytest.raises(BadMask, match=words):
        drawing.accept(look, sent, 24, 32)

    assert (look.drawn, look.is_drawing) == (None, True)


def test_the_canvas_takes_the_cards_place_only_while_drawing(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    page = open_page("review")
    assert not page.get("bidi_component")

    page.button(key=f"draw-{queue[0]}").click().run()

    assert len(page.get("bidi_component")) == 1
    assert "lw-card" not in html_of(page)
    # No key decides about the part under the pen.
    assert not [b for b in page.button if (b.key or "").startswith(("defect-", "good-", "class-"))]


def test_a_frame_without_map_or_size_has_no_proposal_and_is_decided_all_the_same(
    plant: Plant, queue: list[int], open_page: Opener, html_of: Reader
) -> None:
    with Session(plant.engine) as session, session.begin():
        session.execute(update(Inspection).values(map_key=None, width_px=None))
    page = open_page("review")
    assert "lw-contour" not in html_of(page)

    page.button(key=f"class-1-{queue[0]}").click().run()

    assert stored(plant) == [(queue[0], "defect", "crack", False)]
