"""What the page says of a confirmed defect: used by the next training, or why not."""

from __future__ import annotations

from db.few_shot import NotUsed
from db.tables import SampleSource

#: On the picture, short: every badge is one of these.
BADGES = {
    NotUsed.REMOVED: "Removed",
    NotUsed.NOT_LOOKED_AT: "Not compared yet",
    NotUsed.GOLDEN: "Golden",
    NotUsed.NEITHER: "Neither side",
    NotUsed.NEAR_DUPLICATE: "Near-duplicate",
    NotUsed.EXCESS: "Enough newer ones",
}
#: In full, beside the large picture.
REASONS = {
    NotUsed.REMOVED: "It was taken out, and no training uses it.",
    NotUsed.NOT_LOOKED_AT: "It has not been compared with the others yet: a worker does that "
    "within a minute.",
    NotUsed.GOLDEN: "It is in the golden set: candidates are judged by it, so none may learn "
    "from it.",
    NotUsed.NEITHER: "It belongs with parts to learn from and with golden ones, by part, lot or "
    "picture: it is used for neither.",
    NotUsed.NEAR_DUPLICATE: "It is nearly the same picture as an earlier one, which is used "
    "instead.",
    NotUsed.EXCESS: "There are enough newer ones of its class: the next training uses those.",
}
USED = "The next training learns from it."
#: In the summary: how many are left out for what.
COUNTED = {
    NotUsed.GOLDEN: "golden",
    NotUsed.NEAR_DUPLICATE: "near-duplicates",
    NotUsed.EXCESS: "beyond their class's limit",
    NotUsed.NEITHER: "on neither side",
    NotUsed.NOT_LOOKED_AT: "not compared yet",
    NotUsed.REMOVED: "removed",
}
SOURCES = {
    SampleSource.REVIEW.value: "a review",
    SampleSource.TEACHING.value: "a teaching",
    SampleSource.IMPORT.value: "an import",
}
UNNAMED = "No class"
