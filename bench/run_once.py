"""Does one run in this process, so that time and memory are its own: train, measure, store."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from safetensors.numpy import load_file, save_file

from bench.code_digest import REFERENCE
from bench.results import machine
from bench.runs import Run
from bench.store import Store
from models.artifact import load_manifest, save_artifact
from models.datasets import open_dataset
from models.evaluation import evaluate_model_in_detail
from models.patchcore.memory_bank import BANK_FILE
from models.scorer import load_scorer
from models.splitting import split_held_out
from models.training import train

if TYPE_CHECKING:
    from models.artifact import Manifest
    from models.datasets import Dataset

#: Under this name stands what was measured of the model as it was trained.
AS_TRAINED = ""


def main() -> None:
    """Called with the store's folder and the run as JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    store, run = Store(Path(sys.argv[1])), Run.from_json(sys.argv[2])
    digest = run.digest()
    if run.detector == REFERENCE:
        # Here, not above: other runs do without its libraries.
        from bench.reference_patchcore import run_reference

        found = run_reference(run)
    else:
        with tempfile.TemporaryDirectory(prefix="linewatch-run-") as folder:
            found = _train_and_measure(run, Path(folder))
    if run.digest() != digest:
        raise SystemExit("the code or the images were changed meanwhile: the result is discarded")
    when = datetime.now(UTC).isoformat(timespec="seconds")
    store.put(run, {"run": json.loads(run.to_json()), "when": when, "machine": machine(), **found})
    print(_line(found))


def smaller_bank(model_dir: Path, out: Path, share: float, patches: int) -> None:
    """Copy a PatchCore model with the memory bank that a coreset of `share` would have given.

    The choice is greedy and the bank in its order, so that bank is the first rows of the larger.

    Args:
        model_dir: what `train` wrote.
        out: where to write.
        share: of the training patches.
        patches: how many of these there were.
    """
    manifest = load_manifest(model_dir, verified=True)
    count = max(1, int(share * patches))

    def write(folder: Path) -> None:
        for name in manifest.files:
            (folder / name).write_bytes((model_dir / name).read_bytes())
        tensors = load_file(folder / BANK_FILE)
        first = {name: rows[:count].copy() for name, rows in tensors.items()}
        save_file(first, folder / BANK_FILE)

    parameters = manifest.hyperparameters | {"coreset_fraction": share}
    save_artifact(out, replace(manifest, hyperparameters=parameters), write)


def _train_and_measure(run: Run, folder: Path) -> dict[str, Any]:
    model = folder / "model"
    report = train(
        run.data,
        detector=run.detector,
        out=model,
        backbone=run.backbone,
        weights=Path(run.weights) if run.weights else None,
        preset=run.preset,  # type: ignore[arg-type]
        anomalies=run.shown.count,
        kinds=run.shown.kinds,
        settings=dict(run.settings),
        seed=run.seed,
        threads=run.threads,
        progress=_tell,
    )
    dataset = open_dataset(run.data)
    manifest = load_manifest(model)
    measured = {AS_TRAINED: _measure(run, model, dataset)}
    for share in run.smaller_coresets:
        smaller_bank(model, folder / str(share), share, _patches(manifest, dataset))
        measured[str(share)] = _measure(run, folder / str(share), dataset)
    trained = report.to_json()
    del trained["model_dir"]
    hyperparameters = manifest.hyperparameters
    return {
        "trained": trained,
        "hyperparameters": hyperparameters,
        "findings": manifest.findings,
        "measured": measured,
    }


def _patches(manifest: Manifest, dataset: Dataset) -> int:
    """How many training patches the coreset was chosen of."""
    stride = int(min(manifest.hyperparameters["strides"]))
    fitted, _ = split_held_out(dataset.train, manifest.seed)
    return len(fitted) * (manifest.input_height // stride) * (manifest.input_width // stride)


def _measure(run: Run, model_dir: Path, dataset: Dataset) -> dict[str, Any]:
    """Figures without the images set apart, and the scores of all images it was not shown."""
    scorer = load_scorer(model_dir, threads=run.threads)
    apart = set().union(*(draw.names(dataset, run.seed) for draw in run.apart))
    known = set(scorer.manifest.known_anomalies)
    compared = [s for s in dataset.test if s.name not in apart | known]
    rest = [s for s in dataset.test if s.name in apart - known]
    found = evaluate_model_in_detail(scorer, replace(dataset, test=compared))
    scores = dict(zip(found.samples, found.scores.tolist(), strict=True))
    if rest:
        others = evaluate_model_in_detail(scorer, replace(dataset, test=rest))
        scores |= dict(zip(others.samples, others.scores.tolist(), strict=True))
    return {
        "report": found.report.to_json(),
        "scores": {sample.name: [sample.defect, score] for sample, score in scores.items()},
    }


def _tell(stage: str, done: int, total: int) -> None:
    if done == total or done % max(1, total // 20) == 0:
        print(f"{stage} {done}/{total}", flush=True)


def _line(found: dict[str, Any]) -> str:
    aurocs = [str(m["report"]["image_auroc"])[:6] for m in found["measured"].values()]
    seconds, mib = found["trained"]["fit_seconds"], found["trained"]["peak_rss_mib"]
    return f"image AUROC {' / '.join(aurocs)}, fit {seconds:.0f} s, peak {mib:.0f} MiB"


if __name__ == "__main__":
    main()
