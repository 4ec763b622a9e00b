"""The page's tables: the figures, the verdicts, the types of defects."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dashboard.markup import count, lamp
from linewatch.report.figures import Rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.evaluation import Evaluation

VERDICTS = ("PASS", "REVIEW", "REJECT")
MEANINGS = {
    "Image AUROC": "Chance that a defective image scores higher than a good one. 0.5 is guessing.",
    "Pixel AUROC": "The same of single pixels; large clean areas flatter it.",
    "AUPRO": "How much of each defect is covered, small ones counting as much as large ones, at "
    "false positive rates up to 0.3.",
    "F1-max": "Best balance of finds and false alarms that any threshold gives; chosen on these "
    "very images, so optimistic.",
    "False-reject rate": "Good images that are rejected at the stored threshold.",
    "Escape rate": "Defective images that pass: neither rejected nor sent to review.",
    "Time per image": "Median, one image alone, without decoding.",
}
_NO_MASKS = "Needs masks of the defects: this set has none."


def verdicts(evaluation: Evaluation) -> NDArray[np.str_]:
    """(B,) the verdict on each image at the stored thresholds."""
    thresholds = evaluation.model.thresholds
    return np.array([thresholds.verdict(score) for score in evaluation.scores.tolist()])


def rate(evaluation: Evaluation, among: NDArray[np.bool_], verdict: str) -> Rate:
    """How many of some images have a verdict."""
    chosen = verdicts(evaluation)[among]
    return Rate(int((chosen == verdict).sum()), len(chosen))


def false_rejects(evaluation: Evaluation) -> Rate:
    """Good images with the verdict REJECT."""
    return rate(evaluation, ~evaluation.is_anomalous, "REJECT")


def escapes(evaluation: Evaluation) -> Rate:
    """Defective images with the verdict PASS."""
    return rate(evaluation, evaluation.is_anomalous, "PASS")


def area(value: float | None) -> str:
    """A figure from 0 to 1."""
    return "–" if value is None else f"{value:.4f}"


def percent(share: float | None) -> str:
    """A share in percent; its sign stays on the line."""
    return "–" if share is None else f"{100 * share:.1f}\u00a0%"


def counted(part: Rate) -> str:
    """The counts behind a rate."""
    return f"{count(part.count)} of {count(part.total)}"


def interval(part: Rate) -> str:
    """The 95 % interval of a rate."""
    if part.interval is None:
        return "–"
    low, high = part.interval
    return f"{100 * low:.1f}\u00a0–\u00a0{100 * high:.1f}\u00a0%"


def figures_table(evaluation: Evaluation) -> str:
    """Every figure, with what it means."""
    report = evaluation.report
    marked = ""
    if report.unmarked_images:
        marked = counted(Rate(report.images - report.unmarked_images, report.images))
    rows = [
        _area_row("Image AUROC", report.image_auroc, "Needs good and defective images."),
        _area_row("Pixel AUROC", report.pixel_auroc, _NO_MASKS, marked),
        _area_row("AUPRO", report.aupro, _NO_MASKS, marked),
        _area_row("F1-max", report.image_f1_max, "Needs defective images."),
        _rate_row("False-reject rate", false_rejects(evaluation)),
        _rate_row("Escape rate", escapes(evaluation)),
        _row("Time per image", f"{report.ms_per_image_p50:.1f} ms"),
    ]
    head = _head("Figure", "Value", "Images", "95 % interval", "Meaning")
    return f'<table class="figures">{head}<tbody>{"".join(rows)}</tbody></table>'


def verdicts_table(evaluation: Evaluation) -> str:
    """How many good and defective images got which verdict."""
    rows = []
    for name, among in (
        ("Good", ~evaluation.is_anomalous),
        ("Defective", evaluation.is_anomalous),
    ):
        cells = []
        for verdict in VERDICTS:
            part = rate(evaluation, among, verdict)
            is_wrong = verdict == ("REJECT" if name == "Good" else "PASS") and part.count > 0
            mark = ' class="wrong"' if is_wrong else ""
            cells.append(f"<td{mark}><b>{count(part.count)}</b> {percent(part.share)}</td>")
        rows.append(f"<tr><th>{name}</th>{''.join(cells)}</tr>")
    lamps = "".join(f'<th scope="col">{lamp(verdict)}</th>' for verdict in VERDICTS)
    head = f"<thead><tr><th></th>{lamps}</tr></thead>"
    return f'<table class="verdicts">{head}<tbody>{"".join(rows)}</tbody></table>'


def defects_table(evaluation: Evaluation) -> str:
    """Each type of defect: how many, how many escape, how well it stands out.

    Where the model was shown some, a column tells the types it knows from those it never saw.
    """
    knows = bool(evaluation.shown)
    defects = np.array([sample.defect for sample in evaluation.samples])
    rows = []
    for defect, auroc in evaluation.report.per_defect.items():
        part = rate(evaluation, defects == defect, "PASS")
        mark = ' class="wrong"' if part.count else ""
        shown = f"<td>{count(evaluation.shown.get(defect, 0))}</td>" if knows else ""
        rows.append(
            f"<tr><th>{escape(defect)}</th>{shown}<td>{count(part.total)}</td>"
            f"<td{mark}>{count(part.count)}</td><td>{percent(part.share)}</td>"
            f"<td>{interval(part)}</td><td>{area(auroc)}</td></tr>"
        )
    columns = ("Images", "Escapes", "Escape rate", "95 % interval", "Image AUROC")
    head = _head("Type", *(["Shown in training"] if knows else []), *columns)
    return f'<table class="defects">{head}<tbody>{"".join(rows)}</tbody></table>'


def _head(*names: str) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _area_row(name: str, value: float | None, missing: str, images: str = "") -> str:
    if value is None:
        return _row(name, area(value), text=missing)
    return _row(name, area(value), images)


def _rate_row(name: str, part: Rate) -> str:
    return _row(name, percent(part.share), counted(part), interval(part))


def _row(name: str, value: str, images: str = "", between: str = "", text: str = "") -> str:
    return (
        f"<tr><th>{name}</th><td><b>{value}</b></td><td>{images}</td><td>{between}</td>"
        f"<td>{text or MEANINGS[name]}</td></tr>"
    )
