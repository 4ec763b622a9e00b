"""What people's words come to."""

from __future__ import annotations

import pytest

from db.opinions import outcome
from db.tables import Review

#: Who said what, in order: the queue on a line that takes one word and on one that wants two, and
#: the number of the word that counts once it waits in none.
CASES = [
    ("nobody spoke", [], "flagged", "flagged", None),
    ("good by one is enough", ["a good"], None, None, 0),
    ("a defect by one", ["a defect"], None, "second_opinion", 0),
    ("two agree on a defect", ["a defect", "b defect"], None, None, 1),
    ("unsure", ["a unsure"], "second_opinion", "second_opinion", None),
    ("unsure, then good by another", ["a unsure", "b good"], None, None, 1),
    ("unsure, then a defect", ["a unsure", "b defect"], None, "second_opinion", 1),
    ("a defect, then unsure", ["a defect", "b unsure"], "second_opinion", "second_opinion", None),
    ("two differ", ["a defect", "b good"], "disagreement", "disagreement", None),
    ("a third settles it", ["a defect", "b good", "c defect"], None, None, 2),
    ("a third is unsure", ["a defect", "b good", "c unsure"], "disagreement", "disagreement", None),
    (
        "a fourth settles it",
        ["a defect", "b good", "c unsure", "d good"], None, None, 3,
    ),
    (
        "the settled word is doubted",
        ["a defect", "b good", "c defect", "d good"], "disagreement", "disagreement", None,
    ),
    (
        "and settled again",
        ["a defect", "b good", "c defect", "d good", "a good"], None, None, 4,
    ),
    ("a person corrects themselves", ["a good", "a defect"], None, "second_opinion", 1),
    ("dismissed", ["a dismissed"], None, None, None),
    ("dismissed after a word", ["a defect", "b dismissed"], None, None, None),
    ("a word after a dismissal", ["a dismissed", "b good"], None, None, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "one", "two", "word"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_words_come_to_a_queue_and_a_word_that_counts(
    said: list[str], one: str | None, two: str | None, word: int | None
) -> None:
    reviews = []
    for each in said:
        reviewer, decision = each.split()
        reviews.append(Review(reviewer=reviewer, decision=decision))

    found = outcome(reviews)

    assert found.queue("flagged", needs_second_opinion=False) == one
    assert found.queue("flagged", needs_second_opinion=True) == two
    assert found.word is (None if word is None else reviews[word])
