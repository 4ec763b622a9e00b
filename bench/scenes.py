"""What people do on the dashboard's pages, and when the browser has painted what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

#: Notes when somebody pressed something, and when what was wanted is painted: Streamlit has run the
#: page, no element is a former run's, the wanted element is there, and all pictures are decoded.
#: That a run is over the server says: one that is short shows nothing of its state in between.
WATCH = """
(() => {
  const app = () => document.querySelector('[data-testid="stApp"]');
  const state = () => app()?.getAttribute("data-test-script-state");
  const watch = window.watch = {wanted: null, from: 0, wait: 2, frames: null, painted: null};
  const begin = () => {
    if (watch.wanted && watch.isArmed) {
      Object.assign(watch, {from: performance.now(), isArmed: false, wait: 2, frames: null});
    }
  };
  addEventListener("click", begin, true);
  addEventListener("keydown", event => event.key === "Enter" && begin(), true);
  new MutationObserver(seen => {
    if (state() === "running" || seen.some(one => one.oldValue === "running")) watch.wait = 0;
  }).observe(document, {
    subtree: true, attributeOldValue: true, attributeFilter: ["data-test-script-state"],
  });
  // Whether a ForwardMsg has script_finished (6) and not that another run follows (2); before that
  // come its hash and metadata, which are skipped by their lengths.
  const isLast = bytes => {
    let at = 0;
    const number = () => {
      let value = 0, shift = 0;
      do value += (bytes[at] & 127) * 2 ** (7 * shift++); while (bytes[at++] & 128);
      return value;
    };
    while (at < bytes.length) {
      const tag = number(), value = number();
      if (tag >> 3 === 6) return value !== 2;
      at += value;
    }
    return false;
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({data}) => {
        if (isLast(new Uint8Array(data))) watch.frames = 0;
      });
    }
  };
  const look = () => {
    // Where the run was shown, its end is, too. Else the page has two frames to take in the end.
    const hasRun = watch.frames !== null && watch.frames++ >= watch.wait;
    const done = watch.wanted && !watch.isArmed && hasRun && watch.painted === null
      && state() === "notRunning" && document.querySelector(watch.wanted)
      && !document.querySelector('[data-stale="true"]')
      && [...document.images].every(image => image.complete);
    if (done) {
      watch.painted = -1;
      // The frame that holds it is painted before the next one is begun.
      requestAnimationFrame(() => { watch.painted = performance.now() - watch.from; });
    }
    requestAnimationFrame(look);
  };
  look();
  window.want = (selector, isArmed) =>
    Object.assign(watch, {wanted: selector, isArmed, painted: null});
})();
"""
TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Scene:
    """Something a person does, and what they wait for."""

    name: str
    #: What is there once it is painted: a CSS selector.
    wanted: str
    #: Done before, and not timed: opens the selection, say.
    prepare: Callable[[Page], None] | None
    #: The press.
    act: Callable[[Page], None]


def open_timed(page: Page, address: str, wanted: str) -> float:
    """Load an address in the browser; gives milliseconds from there to painted."""
    page.add_init_script(f"{WATCH}; want({wanted!r}, false)")
    page.goto(address, wait_until="commit")
    return _painted(page)


def play(page: Page, scene: Scene) -> float:
    """Do it; gives milliseconds from the press to painted."""
    if scene.prepare is not None:
        scene.prepare(page)
    page.evaluate("wanted => want(wanted, true)", scene.wanted)
    scene.act(page)
    return _painted(page)


def _painted(page: Page) -> float:
    page.wait_for_function("window.watch?.painted > 0", timeout=TIMEOUT_MS)
    took: float = page.evaluate("window.watch.painted")
    return took


def _go(title: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("link", name=title, exact=True).first.click()


def _press(label: str) -> Callable[[Page], None]:
    """A button by its name."""
    return lambda page: page.get_by_role("button", name=label, exact=True).first.click()


def _segment(label: str) -> Callable[[Page], None]:
    """One of a segmented control, whose names may go on with a count."""
    return lambda page: _starting(page, label).click()


def _starting(page: Page, label: str) -> Locator:
    return page.get_by_role("radio").filter(has_text=label).first


def _unfold(key: str) -> Callable[[Page], None]:
    """Open a selection by the key of its widget."""
    return lambda page: page.locator(f"[class*='st-key-{key}'] [role='combobox']").first.click()


def _option(label: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("option", name=label, exact=True).first.click()


def _choose(name: str, wanted: str, key: str, option: str) -> Scene:
    return Scene(name, wanted, _unfold(key), _option(option))


def _type(key: str, text: str) -> Callable[[Page], None]:
    """Write into a selection that takes what it does not offer."""

    def write(page: Page) -> None:
        field = page.locator(f"[class*='st-key-{key}'] [role='combobox']").first
        field.click()
        field.fill(text)

    return write


def _enter(page: Page) -> None:
    page.keyboard.press("Enter")


def _older(page: Page) -> None:
    """Ten pages back, for the eleventh."""
    for _ in range(10):
        play(page, Scene("", ".lw-audit", None, _press("Older")))


def _two_months(page: Page) -> None:
    """Choose the last two months but for leaving the field."""
    play(page, Scene("", QUALITY, None, _segment("Custom")))
    page.get_by_role("spinbutton", name="month, From and to start date").focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")


def _leave_field(page: Page) -> None:
    page.locator(".lw-quality").click()


def _filter(page: Page) -> None:
    _press("Filters")(page)
    page.get_by_label("Score from").fill("1.2")


LIVE, REVIEW, QUALITY = ".lw-refreshed", ".lw-card img", "[class*='st-key-quality-card-table']"
FEW_SHOT, MODELS, TEACH = "[class*='st-key-few-shot-sheet']", ".st-key-versions", ".lw-steps"
AUDIT, USERS = ".lw-audit", ".lw-user"

#: In an order in which each stands on the one before.
SCENES = (
    Scene("Live", LIVE, _go("Users"), _go("Live")),
    Scene("Review: flagged", REVIEW, None, _go("Review")),
    Scene("Review: audit", REVIEW, None, _segment("Audit")),
    Scene("Review: second opinion", REVIEW, None, _segment("Second opinion")),
    Scene("Review: disagreement", REVIEW, None, _segment("Disagreement")),
    Scene("Review: flagged again", REVIEW, None, _segment("Flagged")),
    _choose("Review: one camera", REVIEW, "scope", "line-2 · camera-1"),
    Scene("Review: score from 1.2", REVIEW, _filter, _enter),
    Scene("Few-shot set", FEW_SHOT, None, _go("Few-shot set")),
    _choose("Few-shot set: a class", FEW_SHOT, "few-shot-class", "crack"),
    Scene("Models", MODELS, None, _go("Models")),
    Scene("Models: another version", MODELS, None, _press("Show version 7")),
    Scene("Models: another line", MODELS, None, _segment("line-2")),
    Scene("Teach a line", TEACH, None, _go("Teach a line")),
    Scene("Teach a line: contact sheet", ".st-key-sheet", None, _segment("line-4")),
    Scene("Quality: 7 days", QUALITY, None, _go("Quality")),
    Scene("Quality: today", QUALITY, None, _segment("Today")),
    Scene("Quality: 30 days", QUALITY, None, _segment("30 days")),
    _choose("Quality: 30 days, a camera", QUALITY, "quality_camera", "camera-2"),
    _choose("Quality: 30 days, a shift", QUALITY, "quality_shift", "14:00–22:00"),
    Scene("Quality: 30 days, against the period before", QUALITY, None, _segment("Period before")),
    _choose("Quality: another line", QUALITY, "quality_line", "line-3"),
    Scene("Quality: two months, a shift", QUALITY, _two_months, _leave_field),
    _choose("Quality: two months, all shifts", QUALITY, "quality_shift", "All shifts"),
    Scene("Audit", AUDIT, None, _go("Audit")),
    Scene("Audit: page 11", AUDIT, _older, _press("Older")),
    Scene("Audit: one person", AUDIT, _type("audit-Who", "user 7"), _enter),
    Scene("Audit: one kind", AUDIT, _type("audit-What", "thresholds.changed"), _enter),
    Scene("Users", USERS, None, _go("Users")),
)
#: Every page once, of a line that no scene is about: modules are imported by it.
WARM_UP = (
    ("users", USERS),
    ("", LIVE),
    ("review", REVIEW),
    ("few_shot?few-shot-line=line-4", FEW_SHOT),
    ("models?models-line=line-4", MODELS),
    ("teach", TEACH),
    ("quality?quality_line=line-4", QUALITY),
    ("audit", AUDIT),
)
