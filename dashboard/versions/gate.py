"""The gate report: champion and candidate side by side on the golden set, with intervals."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from dashboard.markup import percent, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A row's name, its key in the report, and what the figure means.
RATES = (
    ("Escapes", "escapes", "defective parts passed, of all defective ones"),
    ("False rejects", "false_rejects", "good parts rejected, of all good ones"),
    ("Good parts flagged", "flagged_good", "good parts that a person must look at, or rejected"),
)


def report(gate: Mapping[str, Any] | None, number: int, *, has_passed: bool | None) -> str:
    """The whole report of version `number`, as HTML."""
    if gate is None:
        return (
            '<div class="lw-panel"><h3>Golden set</h3>'
            "<p>This version was never compared with another one.</p></div>"
        )
    golden = gate.get("golden") or {}
    about = f"{golden.get('good', 0)} good parts and {golden.get('defects', 0)} defects"
    return (
        f'<div class="lw-panel"><h3>Golden set {_outcome(has_passed)}</h3>'
        f"<p>{about}, never trained on</p>{_reasons(gate)}{_table(gate, number)}"
        f"{_paired(gate)}</div>"
    )


def _outcome(has_passed: bool | None) -> str:
    if has_passed is None:
        return '<span class="lw-chip idle">no verdict</span>'
    word, kind = ("passed", "good") if has_passed else ("failed", "bad")
    return f'<span class="lw-chip {kind}">{word}</span>'


def _reasons(gate: Mapping[str, Any]) -> str:
    reasons = [f"<li>{escape(sentence(str(reason)))}</li>" for reason in gate.get("reasons") or []]
    return f'<ul class="lw-reasons">{"".join(reasons)}</ul>' if reasons else ""


def _table(gate: Mapping[str, Any], number: int) -> str:
    champion, candidate = gate.get("champion"), gate.get("candidate")
    if candidate is None or not any((gate.get("golden") or {}).values()):
        return ""
    # The candidate had no number yet when it was judged.
    heads = [_head("Candidate", number)]
    contenders = [candidate]
    if champion is not None:
        heads.insert(0, _head("Champion", champion.get("number")))
        contenders.insert(0, champion)
    head = "".join(heads)
    body = "".join(_rate_row(name, key, meaning, contenders) for name, key, meaning in RATES)
    body += _classes(contenders)
    body += _plain_row(
        "Image AUROC", [_text(one.get("image_auroc"), "{:.3f}") for one in contenders]
    )
    body += _plain_row(
        "Time for a frame", [_text(one.get("latency_ms_p50"), "{:.1f} ms") for one in contenders]
    )
    return f'<table class="lw-table"><tr><th></th>{head}</tr>{body}</table>'


def _head(name: str, number: int | None) -> str:
    version = "" if number is None else f" <small>version {number}</small>"
    return f"<th>{name}{version}</th>"


def _rate_row(name: str, key: str, meaning: str, contenders: list[Mapping[str, Any]]) -> str:
    shares = [one.get(key) or {} for one in contenders]
    top = max((share.get("upper") or 0.0 for share in shares), default=0.0)
    cells = "".join(f"<td>{_share(share, top)}</td>" for share in shares)
    return f"<tr><th>{escape(name)}<small>{escape(meaning)}</small></th>{cells}</tr>"


def _classes(contenders: list[Mapping[str, Any]]) -> str:
    """Escapes of each class of defects."""
    names = sorted({name for one in contenders for name in one.get("classes") or {}})
    if not names:
        return ""
    rows = f'<tr class="group"><th colspan="{1 + len(contenders)}">Escapes by class</th></tr>'
    for name in names:
        shares = [((one.get("classes") or {}).get(name) or {}).get("escapes") or {}
                  for one in contenders]  # fmt: skip
        cells = "".join(f"<td>{_share(share, 1.0)}</td>" for share in shares)
        rows += f'<tr class="class"><th>{escape(name or "no class named")}</th>{cells}</tr>'
    return rows


def _share(share: Mapping[str, Any], top: float) -> str:
    rate, lower, upper = share.get("rate"), share.get("lower"), share.get("upper")
    if rate is None or lower is None or upper is None:
        return "–"
    text = f"<b>{percent(rate)}</b> <small>{share['count']} of {share['of']}</small>"
    between = f"<small>{percent(lower)} to {percent(upper)}</small>"
    return f"<div>{text}</div>{interval_bar(rate, lower, upper, top)}<div>{between}</div>"


def interval_bar(value: float, lower: float, upper: float, top: float) -> str:
    """A share as a mark on its interval; `top` is at the right end."""
    left, at, right = (100 * min(1.0, one / (top or 1.0)) for one in (lower, value, upper))
    style = f"--from:{left:.1f}%;--to:{right:.1f}%;--at:{at:.1f}%"
    return f'<div class="lw-reach" style="{style}"><i></i></div>'


def _plain_row(name: str, cells: list[str]) -> str:
    row = "".join(f"<td><b>{cell}</b></td>" for cell in cells)
    return f"<tr><th>{name}</th>{row}</tr>"


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _paired(gate: Mapping[str, Any]) -> str:
    """What the paired test says, in a sentence."""
    paired = gate.get("paired")
    if not paired:
        return ""
    only, champion = paired["candidate_only"], paired["champion_only"]
    interval = paired["interval"]
    return (
        f"<p>Of {paired['parts']} defects, {paired['both']} escape both, {only} the candidate "
        f"alone and {champion} the champion alone. The difference of the escape rates is "
        f"{_points(paired['difference'])}, with 95 % confidence {_points(interval['lower'])} to "
        f"{_points(interval['upper'])} (one-sided p = {paired['p_value']:.2g}).</p>"
    )


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")
