"""Whether the processes of this host live, and whether they are ready for work.

Live: the main loop turned a short while ago; one that is not should be started again. Ready: it is
past its start, a worker with its models warm, and what it needs can be reached; one that is not may
wait for others, and needs no restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from linewatch.life_sign import LIMITS_S, signs_here

if TYPE_CHECKING:
    from pathlib import Path

    from linewatch.life_sign import Seen
    from linewatch.settings import Settings

#: What `linewatch doctor` checks of what each process needs.
NEEDS = {
    "ingest": ("redis",),
    "worker": ("redis", "database", "store", "lines"),
    "trainer": ("redis", "database", "store"),
    "scheduler": ("redis",),
    "dashboard": ("database", "store"),
    "metrics": (),
}
#: Answer HTTP, so that their main loop needs no other sign.
SERVERS = {"dashboard": "/_stcore/health", "metrics": "/metrics"}
ANSWER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """What is to be said of a process, and whether it is well."""

    well: bool
    text: str


def health_of_loops(home: Path, process: str | None, *, ready: bool) -> list[Health]:
    """Every process of that kind on this host, or of any kind; one that is missing is not well."""
    signs = [sign for sign in signs_here(home) if process in (None, sign.process)]
    if not signs:
        name = "process with a sign of life" if process is None else process
        return [Health(False, f"no {name} runs on this host with home {home}")]
    return [_judge(sign, ready=ready) for sign in signs]


def _judge(sign: Seen, *, ready: bool) -> Health:
    name = f"{sign.process} {sign.pid}"
    if not sign.exists:
        return Health(False, f"{name}: was killed")
    if not sign.live:
        silence = f"no sign for {sign.silent_s:.0f} s, {LIMITS_S[sign.process]} are the limit"
        return Health(False, f"{name}: hangs: {silence}")
    return Health(sign.ready or not ready, f"{name}: {'ready' if sign.ready else 'not ready'}")


def health_of_server(process: str, host: str, port: int) -> Health:
    """Whether it answers."""
    import urllib.request

    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - asked, not bound
    url = f"http://{shown}:{port}{SERVERS[process]}"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT_S):
            return Health(True, f"{process}: answers at {url}")
    except OSError as exc:
        return Health(False, f"{process}: does not answer at {url}: {exc}")


def reachable(settings: Settings, process: str) -> list[Health]:
    """What the process needs, tried from here."""
    from linewatch.doctor.checks import run_checks
    from linewatch.doctor.findings import State

    return [
        Health(finding.state is not State.FAILED, f"{finding.check}: {finding.message}")
        for finding in run_checks(settings, NEEDS[process])
    ]
