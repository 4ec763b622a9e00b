"""Extending and forgetting, from a model's folder to another, on real photographs of cookies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.artifact import load_manifest, save_artifact, verify
from models.calibration import calibrate
from models.datasets import Sample, open_dataset
from models.detector import detector_class, detector_names
from models.errors import ArtifactError, DatasetError, ModelError
from models.extending import extend, forget
from models.good_images import GOOD_IMAGES_FILE, GoodImages
from models.patchcore.memory_bank import MemoryBank
from models.scorer import load_scorer
from models.splitting import split_held_out
from models.training import TrainingSet, train_on

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

#: One thread: the machine has others to run tests, too.
ONE = {"threads": 1}


def ignore(stage: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Cookies:
    """Twenty training images, fifteen in the model and five that come later."""

    old: list[Sample]
    new: list[Sample]
    model: Path


@pytest.fixture(scope="module")
def cookies(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cookies:
    samples = open_dataset(shared_data / "cookie").train[:20]
    old, new = samples[:15], samples[15:]
    model = tmp_path_factory.mktemp("models") / "first"
    fitted, held_out = split_held_out(old, 0)
    chosen = TrainingSet(fitted, held_out, [], old)
    settings = {"input_height": 128, "input_width": 128}
    train_on(chosen, detector="patchcore", out=model, settings=settings, review_rate=0.3, **ONE)
    return Cookies(old, new, model)


@pytest.fixture(scope="module")
def extended(cookies: Cookies, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "extended"
    extend(cookies.model, cookies.new, out=out, seed=3, progress=ignore, **ONE)
    return out


def scores(model: Path, samples: list[Sample]) -> np.ndarray:
    scorer = load_scorer(model, **ONE)
    return scorer.score([sample.image() for sample in samples]).image_scores


def names(samples: list[Sample]) -> list[str]:
    return [sample.name for sample in samples]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_knows_its_good_images(cookies: Cookies) -> None:
    good = GoodImages.load(cookies.model)

    fitted, held_out = split_held_out(cookies.old, 0)
    assert list(good.fitted) == names(fitted)
    assert [image.name for image in good.held_out] == names(held_out)
    np.testing.assert_allclose(
        [image.score for image in good.held_out], scores(cookies.model, held_out), rtol=1e-5
    )
    assert (good.review_rate, good.reject_rate) == (0.3, 0.01)
    assert set(MemoryBank.load(cookies.model).source.tolist()) <= set(range(len(fitted)))


def test_new_images_are_known_from_then_on(cookies: Cookies, extended: Path) -> None:
    fitted, held_out = split_held_out(cookies.new, 3)
    before, after = GoodImages.load(cookies.model), GoodImages.load(extended)

    assert after.fitted == (*before.fitted, *names(fitted))
    assert after.held_out[: len(before.held_out)] == before.held_out
    assert [image.name for image in after.held_out[len(before.held_out) :]] == names(held_out)
    assert scores(extended, fitted).mean() < scores(cookies.model, fitted).mean()
    bank = MemoryBank.load(extended)
    # 256 patches an image: 1 % of 12 images' are 30, of 4 images' are 10.
    assert (len(before.fitted), len(fitted), len(bank.rows)) == (12, 4, 40)
    assert bank.source.max() >= 12


def test_the_manifest_tells_of_the_new_images_and_is_otherwise_as_it_was(
    cookies: Cookies, extended: Path
) -> None:
    before, after = load_manifest(cookies.model), verify(extended)

    held_out = GoodImages.load(extended).held_out
    assert after.calibration == calibrate([image.score for image in held_out], review_rate=0.3)
    assert after.calibration.count == 3 + 1
    peaks = [image.peak for image in held_out]
    assert after.map_thresholds == calibrate(peaks, review_rate=0.3).thresholds
    assert after.train_images == 20
    assert after.findings["bank_patches"] == 40
    may_change = {"calibration", "map_thresholds", "train_images", "findings", "files"}
    changed = {name for name in vars(before) if getattr(before, name) != getattr(after, name)}
    assert changed <= may_change


def test_the_same_seed_writes_the_same_bytes(
    cookies: Cookies, extended: Path, tmp_path: Path
) -> None:
    extend(cookies.model, cookies.new, out=tmp_path / "again", seed=3, progress=ignore, **ONE)
    extend(cookies.model, cookies.new, out=tmp_path / "other", seed=4, progress=ignore, **ONE)

    assert files(tmp_path / "again") == files(extended)
    assert files(tmp_path / "other") != files(extended)


def test_an_extended_model_can_be_extended_and_can_forget(
    cookies: Cookies, extended: Path, tmp_path: Path
) -> None:
    more = [replace(sample, name=f"later/{sample.path.name}") for sample in cookies.new]
    extend(extended, more, out=tmp_path / "twice", progress=ignore, **ONE)
    gone = [*names(cookies.new), more[0].name]

    report = forget(tmp_path / "twice", gone, out=tmp_path / "less", **ONE)

    assert (report.train_images_before, report.train_images) == (25, 19)
    left = GoodImages.load(tmp_path / "less")
    assert set(left.names) == {*names(cookies.old), *names(more[1:])}
    assert MemoryBank.load(tmp_path / "less").source.max() < len(left.fitted)


def test_thresholds_stay_when_a_fitted_image_is_forgotten(cookies: Cookies, tmp_path: Path) -> None:
    gone, *others = split_held_out(cookies.old, 0)[0]

    forget(cookies.model, [gone.name], out=tmp_path / "less", **ONE)

    before, after = load_manifest(cookies.model), verify(tmp_path / "less")
    assert after.calibration == before.calibration
    assert after.map_thresholds == before.map_thresholds
    assert after.train_images == 14
    assert list(GoodImages.load(tmp_path / "less").fitted) == names(others)
    # Fewer patches to be near to: every score is as high or higher.
    lost = scores(tmp_path / "less", [gone]) - scores(cookies.model, [gone])
    assert lost.item() > 0


def test_a_held_out_image_that_is_forgotten_no_longer_sets_the_threshold(
    cookies: Cookies, tmp_path: Path
) -> None:
    good = GoodImages.load(cookies.model)
    worst = max(good.held_out, key=lambda image: image.score)

    report = forget(cookies.model, [worst.name], out=tmp_path / "less", **ONE)

    others = [image.score for image in good.held_out if image != worst]
    assert report.threshold == calibrate(others, review_rate=0.3).thresholds.reject
    assert report.threshold < report.threshold_before
    bank = "patchcore.safetensors"
    assert (tmp_path / "less" / bank).read_bytes() == (cookies.model / bank).read_bytes()


def test_images_that_are_known_already_are_refused(cookies: Cookies, tmp_path: Path) -> None:
    again = [*cookies.new, cookies.old[7]]

    with pytest.raises(DatasetError, match=rf"1 image\(s\) of these names.*{again[-1].name}"):
        extend(cookies.model, again, out=tmp_path / "out", progress=ignore, **ONE)
    assert list(tmp_path.iterdir()) == []


def test_one_image_is_too_few(cookies: Cookies, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="at least 2 are needed"):
        extend(cookies.model, cookies.new[:1], out=tmp_path / "out", progress=ignore, **ONE)


def test_an_unknown_name_is_answered_with_the_nearest(cookies: Cookies, tmp_path: Path) -> None:
    known = cookies.old[3].name

    with pytest.raises(DatasetError, match=rf"no image .*: try .*{known}"):
        forget(cookies.model, [known.rpartition("/")[2]], out=tmp_path / "out", **ONE)
    first = GoodImages.load(cookies.model).names[0]
    with pytest.raises(DatasetError, match=rf"no image '~': try {first}"):
        forget(cookies.model, [known, "~"], out=tmp_path / "out", **ONE)
    assert list(tmp_path.iterdir()) == []


def test_a_model_keeps_patches_and_a_held_out_image(cookies: Cookies, tmp_path: Path) -> None:
    fitted, held_out = split_held_out(cookies.old, 0)

    with pytest.raises(ModelError, match="no patch would remain"):
        forget(cookies.model, names(fitted), out=tmp_path / "out", **ONE)
    with pytest.raises(ModelError, match="no held-out image"):
        forget(cookies.model, names(held_out), out=tmp_path / "out", **ONE)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_new_image_leaves_nothing(cookies: Cookies, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(cookies.new[0].read()[:400])
    broken = replace(cookies.new[0], path=tmp_path / "broken.png")

    with pytest.raises(DatasetError, match=r"broken\.png"):
        extend(
            cookies.model, [*cookies.new[1:], broken], out=tmp_path / "out", progress=ignore, **ONE
        )

    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]


def test_the_model_itself_is_never_overwritten(cookies: Cookies) -> None:
    before = files(cookies.model)

    with pytest.raises(ArtifactError, match="exists already"):
        extend(cookies.model, cookies.new, out=cookies.model, progress=ignore, **ONE)
    with pytest.raises(ArtifactError, match="exists already"):
        forget(cookies.model, [cookies.old[0].name], out=cookies.model, **ONE)

    assert files(cookies.model) == before


def test_a_model_of_an_older_version_scores_but_is_not_extended(
    cookies: Cookies, tmp_path: Path
) -> None:
    def write(folder: Path) -> None:
        for name in load_manifest(cookies.model).files:
            if name != GOOD_IMAGES_FILE:
                (folder / name).write_bytes((cookies.model / name).read_bytes())

    save_artifact(tmp_path / "old", load_manifest(cookies.model), write)

    np.testing.assert_array_equal(
        scores(tmp_path / "old", cookies.new), scores(cookies.model, cookies.new)
    )
    with pytest.raises(ArtifactError, match="train it again once"):
        extend(tmp_path / "old", cookies.new, out=tmp_path / "out", progress=ignore, **ONE)


def test_detectors_that_learn_from_all_images_at_once_say_what_to_do(
    cookies: Cookies, tmp_path: Path
) -> None:
    settings = {"input_height": 64, "input_width": 64, "steps": 2}
    fitted, held_out = split_held_out(cookies.old, 0)
    chosen = TrainingSet(fitted, held_out, [], cookies.old)
    model = tmp_path / "net"
    train_on(chosen, detector="simplenet", out=model, settings=settings, **ONE)

    with pytest.raises(ModelError, match=r"is a simplenet model.*train it again") as refused:
        extend(model, cookies.new, out=tmp_path / "out", progress=ignore, **ONE)

    able = [name for name in detector_names() if hasattr(detector_class(name), "extend")]
    told = str(refused.value).rpartition(";")[2]
    assert able == [name for name in detector_names() if name in told]
