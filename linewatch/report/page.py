"""The page itself, and the one function that writes all of it."""

from __future__ import annotations

from html import escape
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from dashboard.markup import lamp, score_text
from linewatch.report import facts, svg, tables
from linewatch.report.cases import write_groups
from linewatch.report.figures import roc_points
from linewatch.report.folder import whole_folder

if TYPE_CHECKING:
    from datetime import datetime

    from linewatch.report.cases import Case, Group
    from linewatch.report.figures import Rate
    from models.detector import Progress
    from models.evaluation import Evaluation

STYLE = Path(__file__).with_name("page.css")
PAGE_FILE = "index.html"


def write_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    model_dir: Path,
    now: datetime,
    progress: Progress | None = None,
) -> Path:
    """Write the page and its pictures, wholly or not at all.

    Args:
        folder: where; must not exist, or be empty.
        evaluation: what the page is about.
        model_dir: named on the page.
        now: aware; named on the page as the time of the evaluation.
        progress: called as progress("pictures", done, total).

    Returns:
        The page's file.

    Raises:
        ReportError: if the folder is taken, the disk is full or not writable.
        DatasetError: if a picture of the set is no longer what it was.
    """
    with whole_folder(folder) as building:
        groups = write_groups(building, evaluation, progress)
        text = page(evaluation, groups, model_dir=model_dir, now=now)
        # A file name that is no Unicode is shown with question marks.
        (building / PAGE_FILE).write_bytes(text.encode("utf-8", "replace"))
    return folder / PAGE_FILE


def page(evaluation: Evaluation, groups: list[Group], *, model_dir: Path, now: datetime) -> str:
    """The page's HTML."""
    detector = escape(evaluation.report.detector)
    title = f"{detector} on {escape(Path(evaluation.data).name or evaluation.data)}"
    defects = ""
    found = facts.findings(evaluation)
    found = _section("Found in training", found) if found else ""
    if evaluation.report.per_defect:
        defects = _section("Defect types", tables.defects_table(evaluation))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evaluation: {title}</title>\n"
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<main>\n"
        f"<header><p>Evaluation</p><h1>{title}</h1></header>\n"
        f"{_headline(evaluation)}{facts.facts(evaluation, model_dir, now)}"
        f"{_section('Verdicts at the stored thresholds', tables.verdicts_table(evaluation))}"
        f"{_section('Figures', tables.figures_table(evaluation), _INTERVAL_NOTE)}"
        f"{defects}{_charts(evaluation)}"
        f"{''.join(_group(group, evaluation) for group in groups)}"
        f"{found}{_section('Settings', facts.settings(evaluation), _SETTINGS_NOTE)}"
        f"<footer>Written by linewatch {version('linewatch')}</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


_INTERVAL_NOTE = (
    "The interval says what the rate may be in the long run, given how few images it was counted "
    "on (Wilson, 95 %): none of 30 may still be 11 %."
)


_SETTINGS_NOTE = "With the data and the seed these decide the model."


def _headline(evaluation: Evaluation) -> str:
    def rate(name: str, part: Rate) -> str:
        asks = " asks" if part.count else ""
        text = f"{tables.counted(part)}; 95 %: {tables.interval(part)}" if part.total else "none"
        return _headline_figure(name, tables.percent(part.share), text, asks)

    auroc = tables.area(evaluation.report.image_auroc)
    return (
        '<div class="headline">'
        + rate("Good images rejected", tables.false_rejects(evaluation))
        + rate("Defective images passed", tables.escapes(evaluation))
        + _headline_figure("Image AUROC", auroc, "1 is perfect, 0.5 is guessing")
        + "</div>\n"
    )


def _headline_figure(name: str, value: str, text: str, kind: str = "") -> str:
    return f'<div class="figure{kind}"><span>{name}</span><b>{value}</b><small>{text}</small></div>'


def _section(title: str, body: str, note: str = "") -> str:
    tail = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{title}</h2>{body}{tail}</section>\n"


def _charts(evaluation: Evaluation) -> str:
    is_anomalous, scores = evaluation.is_anomalous, evaluation.scores
    good, defective = scores[~is_anomalous], scores[is_anomalous]
    thresholds = evaluation.model.thresholds
    own = evaluation.model.manifest.findings.get("boundary_score")
    chart = svg.scores_chart(good, defective, thresholds, own)
    caption = "<figcaption>Shaded by verdict: pass, review, reject.</figcaption>"
    body = f"<figure>{chart}{caption}</figure>"
    if good.size and defective.size:
        body += f"<figure>{_roc(evaluation)}</figure>"
    return _section("Scores", f'<div class="charts">{body}</div>')


def _roc(evaluation: Evaluation) -> str:
    is_anomalous, scores = evaluation.is_anomalous, evaluation.scores
    thresholds = evaluation.model.thresholds
    places, texts = {}, []
    for verdict, threshold in (("review", thresholds.review), ("reject", thresholds.reject)):
        is_flagged = scores >= threshold
        good = float(is_flagged[~is_anomalous].mean())
        defective = float(is_flagged[is_anomalous].mean())
        places[verdict] = (good, defective)
        mark = f'<svg class="mark" viewBox="-8 -8 16 16">{svg.sign(verdict, 0, 0)}</svg>'
        texts.append(
            f"<p>{mark}<span>{verdict.capitalize()}: finds {tables.percent(defective)}, "
            f"flags {tables.percent(good)} of the good</span></p>"
        )
    chart = svg.roc_chart(roc_points(scores, is_anomalous), places["review"], places["reject"])
    return f"{chart}<figcaption>{''.join(texts)}</figcaption>"


def _group(group: Group, evaluation: Evaluation) -> str:
    ratio = min(2.0, max(0.5, median(case.aspect for case in group.cases)))
    panes = 3 if any(case.contour for case in group.cases) else 2
    cases = "".join(_case(case, evaluation) for case in group.cases)
    body = f'<div class="cases panes-{panes}" style="--ratio:{ratio:.3f}">{cases}</div>'
    return _section(group.title, f"<p>{group.text}</p>{body}")


def _case(case: Case, evaluation: Evaluation) -> str:
    panes = [("Picture", case.picture), ("Anomaly map", case.overlay)]
    if case.contour:
        panes.append(("Marked defect", case.contour))
    wells = "".join(
        f'<div><a class="lw-well" href="{path}"><img src="{path}" alt="{name}"></a>'
        f"<small>{name}</small></div>"
        for name, path in panes
    )
    defect = f"<span>{escape(case.sample.defect)}</span>" if case.sample.is_anomalous else ""
    verdict = evaluation.model.thresholds.verdict(case.score)
    return (
        f'<article><div class="panes">{wells}</div><div class="about">'
        f"<div><b>{score_text(case.score)}</b>{lamp(verdict)}</div>"
        f"<p>{escape(case.sample.name)}{defect}</p></div></article>"
    )
