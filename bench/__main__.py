"""Run benchmarks: `python -m bench` lists them, `python -m bench NAME...` or `all` runs them."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "carrying": "frames/s from push to committed row, with a scorer that does nothing",
    "overhead": "end-to-end rate as a share of the model's own rate in a plain loop",
    "latency": "capture to committed verdict at half load",
    "memory": "resident memory of worker and ingest over 10,000 frames",
    "elpv": "image AUROC, fit time and speed of PatchCore on elpv, three seeds",
}


def main() -> int:
    """Run what was asked for."""
    names = sys.argv[1:]
    if names == ["all"]:
        names = list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if not names or unknown:
        for name in unknown:
            print(f"there is no benchmark {name!r}", file=sys.stderr)
        for name, what in BENCHMARKS.items():
            print(f"{name:10} {what}")
        return 2 if unknown else 0
    for name in names:
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
