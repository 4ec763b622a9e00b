"""What was evaluated, and everything that decides its figures."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from dashboard.markup import count, score_text
from linewatch.report import tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from models.evaluation import Evaluation

#: A hash is told apart from another by its first digits.
HASH = re.compile(r"[0-9a-f]{64}")
SHOWN_DIGITS = 12


def facts(evaluation: Evaluation, model_dir: Path, now: datetime) -> str:
    """The data, the model and its thresholds."""
    manifest, report = evaluation.model.manifest, evaluation.report
    defective = int(evaluation.is_anomalous.sum())
    apart = sum(evaluation.shown.values())
    left_out = f"; {apart} shown in training left out" if apart else ""
    known = len(manifest.known_anomalies)
    shown = f" and {count(known)} defective ones" if known else ""
    calibration = manifest.calibration
    review, reject = calibration.thresholds.review, calibration.thresholds.reject
    return _pairs(
        {
            "Data": evaluation.data,
            "Images": f"{count(report.images - defective)} good, {count(defective)} defective"
            f"{left_out}",
            "Evaluated": f"{now:%Y-%m-%d %H:%M %Z}",
            "Detector": report.detector,
            "Backbone": report.backbone,
            "Resolution": f"{manifest.input_height} × {manifest.input_width} px (height × width)",
            "Runtime": f"{report.runtime}, {report.ms_per_image_p50:.1f} ms per image",
            "Training": f"{count(manifest.train_images)} good images{shown}, seed {manifest.seed}",
            "Trained": f"by linewatch {manifest.code_version}",
            "Model": str(model_dir),
            "Thresholds": f"review from {score_text(review)}, reject from {score_text(reject)}; "
            f"for at most {tables.percent(calibration.review_rate)} and "
            f"{tables.percent(calibration.reject_rate)} of good parts, on "
            f"{count(calibration.count)} held-out images",
        },
        "facts",
    )


def settings(evaluation: Evaluation) -> str:
    """The hyper-parameters and the weights: with data and seed they decide the model."""
    manifest = evaluation.model.manifest
    return _pairs(
        _readable(manifest.hyperparameters | {"backbone_weights_sha256": manifest.weights_sha256}),
        "settings",
    )


def findings(evaluation: Evaluation) -> str:
    """What the detector found out in training; empty if it has nothing to tell."""
    found = evaluation.model.manifest.findings
    return _pairs(_readable(found), "settings") if found else ""


def _readable(values: Mapping[str, Any]) -> dict[str, str]:
    return {_name(key): _text(value) for key, value in values.items()}


def _name(key: str) -> str:
    return key.replace("_", " ").capitalize().replace("sha256", "SHA-256")


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{_name(key).lower()}: {_text(v)}" for key, v in value.items()) or "none"
    text = str(value)
    return f"{text[:SHOWN_DIGITS]}…" if HASH.fullmatch(text) else text


def _pairs(values: Mapping[str, str], kind: str) -> str:
    pairs = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in values.items()
    )
    return f'<dl class="{kind}">{pairs}</dl>\n'
