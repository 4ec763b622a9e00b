"""All checks by name, and running them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linewatch.doctor import installation, services
from linewatch.doctor.findings import Finding, failed
from linewatch.errors import expected_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from linewatch.settings import Settings

#: In the order in which things depend on each other.
CHECKS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "python": installation.check_python,
    "packages": installation.check_packages,
    "weights": installation.check_weights,
    "disk": installation.check_disk,
    "redis": services.check_redis,
    "database": services.check_database,
    "store": services.check_store,
    "lines": services.check_lines,
    "workers": services.check_workers,
    "dashboard": services.check_dashboard,
}


def run_checks(settings: Settings, names: Iterable[str]) -> Iterator[Finding]:
    """Run the named checks; one that cannot be carried out has failed."""
    for name in names:
        try:
            yield from CHECKS[name](settings)
        except Exception as exc:  # noqa: BLE001 - the doctor must get through to the end
            message = expected_message(exc)
            if message is None:
                message = f"the check itself failed: {exc!r}: report it as a bug"
            yield failed(name, message, "")
