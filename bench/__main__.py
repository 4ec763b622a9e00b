"""Run benchmarks: `python -m bench` lists them, `python -m bench NAME...` or `all` runs them.

Those that take arguments are not among `all`, as most take long: `python -m bench NAME ARGS...`.
"""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "carrying": "frames/s from push to committed row, with a scorer that does nothing",
    "overhead": "end-to-end rate as a share of the model's own rate in a plain loop",
    "scaling": "rate of 1, 2 and 4 scoring processes, with a scorer that sleeps",
    "latency": "capture to committed verdict at half load and at 70 % load",
    "memory": "resident memory of worker and ingest over 10,000 frames",
    "review_page": "time from key to next card on the Review page, with 50,000 inspections",
    "start": "from starting a command to help, a verdict and a page",
    "covering": "covering radius of the coreset against exact greedy",
    "roofline": "MACs and bytes an image against this machine's peak, and the share reached",
    "elpv": "image AUROC, fit time and speed of PatchCore on elpv, three seeds",
}
#: Ten minutes to hours; each takes arguments, --help tells which.
LONG = {
    "accuracy": "image AUROC of all detectors on four sets, three seeds; hours, can be resumed",
    "reference": "PatchCore against an independent one; an hour, can be resumed",
    "scoring": "ms and images/s of all detectors, against eager torch; ten minutes",
    "agreement": "AUROC of all detectors with OpenVINO and with torch, on four sets; half an hour",
    "fitting": "time and memory to fit 320 images with each detector; an hour",
    "incremental": "PatchCore extended by 50 images against a refit; half an hour",
    "loop": "confirm, retrain, promote: what the line gains, and that no frame is lost; hours",
    "pages": "time to every page of the dashboard with a million inspections; ten minutes",
    "faults": "faults under load, every frame accounted for; 40 minutes",
    "fuzz": "coverage-guided fuzzing of what takes bytes from outside; a quarter of an hour",
    "soak": "an hour of full load: what grows; every frame accounted for",
    "overload": "twice the load it carries, every frame accounted for; ten minutes, or --minutes",
    "ablation": "a grid of settings on any set, as a table; hours, can be resumed",
}


def main() -> int:
    """Run what was asked for."""
    names = sys.argv[1:]
    if names and names[0] in LONG:
        code: int = importlib.import_module(f"bench.{names[0]}").main(names[1:])
        return code
    if names == ["all"]:
        names = list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if not names or unknown:
        for name in unknown:
            print(f"there is no benchmark {name!r}", file=sys.stderr)
        for name, what in (BENCHMARKS | LONG).items():
            print(f"{name:12} {what}")
        return 2 if unknown else 0
    for name in names:
        importlib.import_module(f"bench.{name}").main()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
