"""PatchCore, fast preset, on the monocrystalline cells of elpv: three seeds."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from bench.results import write
from models.evaluation import evaluate
from models.training import train

SEEDS = (0, 1, 2)


def main() -> None:
    """Train and evaluate; the split of good cells does not depend on the seed."""
    aurocs, seconds, milliseconds, memory = [], [], [], []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model"
            trained = train("elpv:mono", out=out, seed=seed)
            report = evaluate(out, "elpv:mono")
        assert report.image_auroc is not None
        assert report.ms_per_image_p50 is not None
        aurocs.append(report.image_auroc)
        seconds.append(trained.fit_seconds)
        milliseconds.append(report.ms_per_image_p50)
        memory.append(trained.peak_rss_mib)
    write(
        "elpv",
        "PatchCore on the monocrystalline cells of elpv: good cells with probability 0 (80 % train,"
        " 20 % test) against defective ones with probability 1. No test cell"
        " chose anything.",
        f"tf_efficientnet_lite0, 256 px, fast preset, coreset 1 %, OpenVINO, seeds {SEEDS}",
        {
            "image AUROC, mean": f"{statistics.mean(aurocs):.4f} (wanted: at least 0.93)",
            "image AUROC, each": ", ".join(f"{a:.4f}" for a in aurocs),
            "fit": f"{statistics.mean(seconds):.1f} s",
            "peak memory while fitting": f"{max(memory):.0f} MiB",
            "scoring, batch 1, p50": f"{statistics.mean(milliseconds):.1f} ms",
        },
    )
