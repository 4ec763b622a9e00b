"""A bill of materials of what is installed, and whether a known vulnerability is among it.

Exit code 1 if one is that `accepted-vulnerabilities.toml` gives no reason for. Where the list of
vulnerabilities cannot be asked, that is said, and the bill is made all the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BILL = HERE.parent / "dist" / "linewatch.cdx.json"
ACCEPTED = HERE / "accepted-vulnerabilities.toml"
LIMIT_S = 120


def main() -> int:
    """Write the bill, and look at what pip-audit finds."""
    BILL.parent.mkdir(exist_ok=True)
    made = _run("cyclonedx_py", "environment", "--output-file", str(BILL), "--of", "JSON")
    if made.returncode:
        print(f"no bill of materials: {made.stderr.strip()}")
        return 1
    print(f"{len(json.loads(BILL.read_text())['components'])} components: {BILL.name}")
    accepted = tomllib.loads(ACCEPTED.read_text())["accepted"]
    try:
        found = _run("pip_audit", "--local", "--progress-spinner", "off", "--format", "json")
        report = json.loads(found.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        report = {"dependencies": []}
    lines, failed = judge(report, {one["id"]: one["reason"] for one in accepted})
    print("\n".join(lines))
    return int(failed)


def judge(report: dict[str, Any], accepted: dict[str, str]) -> tuple[list[str], bool]:
    """What to say of a report of pip-audit, and whether it must not pass.

    Args:
        report: pip-audit's JSON.
        accepted: id or alias of a vulnerability -> why it does no harm here.
    """
    asked = [one for one in report["dependencies"] if "vulns" in one]
    if not asked:
        return ["vulnerabilities: NOT looked for, since the list of them cannot be reached"], False
    lines, failed = [f"vulnerabilities: looked for in {len(asked)} packages"], False
    for package in asked:
        for found in package["vulns"]:
            reason = next(
                (accepted[one] for one in (found["id"], *found["aliases"]) if one in accepted), None
            )
            failed = failed or reason is None
            fixed = ", ".join(found["fix_versions"]) or "no version"
            state = f"accepted: {reason}" if reason else f"mended in {fixed}"
            lines.append(f"  {package['name']} {package['version']}: {found['id']}: {state}")
    return lines, failed


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


if __name__ == "__main__":
    raise SystemExit(main())
