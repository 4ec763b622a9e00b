"""A retraining from its row to a candidate."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from db import retrainings, teachings
from db.access import trusted
from db.lines import get_line
from db.model_versions import activate, add_model_version
from db.snapshots import snapshot_items
from db.tables import Line, ModelVersion, RetrainingState, Sample, Side, SnapshotUse, Teaching
from models.artifact import verify
from models.errors import ModelError, SignatureInvalid
from models.signature import SIGNATURE_FILE, check_signature
from workers.config import ScoringConfig
from workers.entry import model_loader
from workers.jobs import retrain
from workers.retraining import run
from workers.retraining.reporter import Reporter

if TYPE_CHECKING:
    from tests.workers.retraining.conftest import LearningLine

TEST = trusted("test")
LINE = "line-4"


@pytest.mark.slow
def test_a_real_bgad_learns_from_confirmed_defects_and_names_its_snapshot(
    labelled: LearningLine, small_bgad: str
) -> None:
    retraining_id = labelled.request(small_bgad)

    end = retrain(retraining_id)

    row = labelled.row(retraining_id)
    assert (end, row.state) == ("done", "done"), row.message
    [version] = labelled.versions()
    assert (row.model_version_id, version.snapshot_id) == (version.id, row.snapshot_id)
    assert version.detector == "bgad"
    [folder] = labelled.models()
    assert str(folder) == version.artifact_path
    manifest = verify(folder)
    with Session(labelled.engine) as session:
        items = snapshot_items(session, version.snapshot_id or 0)
    anomalies = [one.image_key for one in items if one.use == SnapshotUse.ANOMALY]
    assert manifest.train_images == 20
    assert len(anomalies) == 4
    assert sorted(manifest.known_anomalies) == sorted(anomalies)
    # Scratches are white: a candidate that lets them pass has learned nothing.
    assert version.gate is not None
    assert version.gate["candidate"]["image_auroc"] == 1.0
    assert version.gate["candidate"]["escapes"]["count"] == 0


def test_a_candidate_that_passes_its_gate_scores_in_the_shadow(taught: LearningLine) -> None:
    retraining_id = taught.request()

    assert retrain(retraining_id) == "done"

    line, [champion, candidate] = taught.line(), taught.versions()
    assert candidate.has_passed_gate is True
    assert line.active_model_version_id == champion.id
    assert line.shadow_model_version_id == candidate.id
    gate = candidate.gate or {}
    assert gate["golden"] == {"good": 12, "defects": 4}
    assert gate["champion"]["number"] == 1
    # The same detector on the same frames: the two agree.
    assert gate["champion"]["escapes"] == gate["candidate"]["escapes"]
    assert gate["paired"]["p_value"] == 1.0
    assert gate["candidate"]["latency_ms_p50"] > 0
    assert "in the shadow" in taught.row(retraining_id).message


def test_a_trainer_with_a_key_signs_what_it_trains(labelled: LearningLine, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem, public = tmp_path / "key.pem", tmp_path / "key.pub"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    form = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, form))
    labelled.training = labelled.context.training = replace(labelled.training, signing_key=pem)

    assert retrain(labelled.request()) == "done"

    with Session(labelled.engine) as session:
        version = session.scalars(select(ModelVersion)).one()
    check_signature(Path(version.artifact_path), public)
    load = model_loader(
        ScoringConfig(), threads=1, device="cpu", runtime="auto", trusted_keys=public
    )
    (Path(version.artifact_path) / SIGNATURE_FILE).unlink()
    with pytest.raises(SignatureInvalid, match="is not signed"):
        load(version)


def test_the_champion_is_judged_at_thresholds_that_were_set_since(taught: LearningLine) -> None:
    with Session(taught.engine) as session, session.begin():
        # Nothing passes: so no defect escapes the champion, and it rejects every good part.
        session.query(ModelVersion).update({"review_threshold": -1.0, "reject_threshold": -1.0})

    retrain(taught.request())

    gate = taught.versions()[1].gate or {}
    assert gate["champion"]["false_rejects"]["count"] == 12
    assert gate["champion"]["escapes"]["count"] == 0


def test_a_candidate_that_fails_its_gate_is_kept_and_cannot_score(taught: LearningLine) -> None:
    from db.errors import Conflict

    with Session(taught.engine) as session, session.begin():
        get_line(session, LINE).latency_budget_ms = 1e-6
    retraining_id = taught.request()

    assert retrain(retraining_id) == "done"

    assert taught.versions()[1].has_passed_gate is False
    assert taught.line().shadow_model_version_id is None
    assert "did not pass its gate: it takes" in taught.row(retraining_id).message
    with Session(taught.engine) as session, pytest.raises(Conflict, match="did not pass its gate"):
        activate(session, get_line(session, LINE), 2, actor=TEST)


@pytest.mark.parametrize(
    ("goods", "golden", "defects", "golden_defects", "message"),
    [
        (3, 12, 4, 4, "12 good samples wanted, 3 there"),
        (20, 2, 4, 4, "10 good golden samples wanted, 2 there"),
        (20, 12, 1, 4, "3 confirmed defects wanted, 1 there"),
        (20, 12, 4, 1, "3 golden defects wanted, 1 there"),
    ],
)
def test_too_few_samples_fail_with_a_clear_message(
    learning: LearningLine,
    goods: int,
    golden: int,
    defects: int,
    golden_defects: int,
    message: str,
) -> None:
    learning.label(goods)
    learning.label(golden, first=100, side=Side.GOLDEN)
    learning.label(defects, first=200, defect=True)
    learning.label(golden_defects, first=300, defect=True, side=Side.GOLDEN)
    add_champion(learning)
    retraining_id = learning.request("bgad")

    assert retrain(retraining_id) == "failed"

    row = learning.row(retraining_id)
    assert message in row.message
    assert row.snapshot_id is None
    assert len(learning.versions()) == 1
    assert learning.models() == []


def add_champion(learning: LearningLine, folder: str = "/nowhere") -> None:
    manifest = {"detector": "d", "backbone": "b", "thresholds": {"review": 0.5, "reject": 0.8}}
    with Session(learning.engine) as session, session.begin():
        line = get_line(session, LINE)
        add_model_version(
            session,
            line,
            artifact_path=folder,
            manifest=manifest,
            manifest_sha256="0" * 64,
            actor=TEST,
        )
        activate(session, line, 1, actor=TEST)


def test_a_champion_whose_files_are_gone_leaves_the_decision_to_a_person(
    labelled: LearningLine,
) -> None:
    add_champion(labelled)
    retraining_id = labelled.request()

    assert retrain(retraining_id) == "done"

    candidate = labelled.versions()[1]
    assert candidate.has_passed_gate is None
    assert "version 1, which scores now, cannot be loaded" in (candidate.gate or {})["reasons"][0]
    assert labelled.line().shadow_model_version_id is None
    assert "activate it by hand" in labelled.row(retraining_id).message


def test_a_damaged_picture_names_its_sample(labelled: LearningLine) -> None:
    with Session(labelled.engine) as session:
        sample = session.scalars(select(Sample).order_by(Sample.id)).first()
        assert sample is not None
        file = Path(labelled.context.store.url) / sample.image_key
    file.write_bytes(b"another picture")
    retraining_id = labelled.request()

    assert retrain(retraining_id) == "failed"

    message = labelled.row(retraining_id).message
    assert f"sample {sample.id} cannot be used" in message
    assert "damaged" in message
    assert labelled.models() == []


@pytest.mark.parametrize("stage", ["samples", "snapshot", "pictures", "fitting", "gate"])
def test_a_cancelled_one_registers_nothing(
    taught: LearningLine, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()
    before = taught.models()
    tell = Reporter.tell

    def asked_meanwhile(self: Reporter, now: str, done: int, total: int) -> None:
        if now == stage and taught.row(retraining_id).cancel_asked_at is None:
            with Session(taught.engine) as session, session.begin():
                retrainings.ask_to_cancel(session, retraining_id, actor=trusted("anna"))
        tell(self, now, done, total)

    monkeypatch.setattr(Reporter, "tell", asked_meanwhile)

    assert retrain(retraining_id) == "cancelled"

    row = taught.row(retraining_id)
    assert (row.state, row.model_version_id) == ("cancelled", None)
    assert "cancelled by anna" in row.message
    assert len(taught.versions()) == 1
    assert taught.models() == before
    assert taught.line().shadow_model_version_id is None


def test_cancelled_at_the_very_end_it_registers_nothing_either(
    taught: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()
    before = taught.models()
    finish = retrainings.finish

    def asked_before(session: Session, *arguments: object, **more: object) -> bool:
        if arguments[1] is RetrainingState.DONE:
            retrainings.ask_to_cancel(session, retraining_id, actor=trusted("anna"))
        return finish(session, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(run.retrainings, "finish", asked_before)
    retrain(retraining_id)

    # The asking was part of the transaction that was undone.
    assert len(taught.versions()) == 1
    assert taught.models() == before
    assert taught.row(retraining_id).state == "cancelled"


def test_one_that_was_given_up_meanwhile_changes_nothing(
    taught: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()
    judge = run._Run._judge

    def slow(self: run._Run, *arguments: object) -> object:
        with Session(taught.engine) as session, session.begin():
            retrainings.finish(session, retraining_id, RetrainingState.FAILED, message="silent")
        return judge(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run._Run, "_judge", slow)

    assert retrain(retraining_id) is None

    assert taught.row(retraining_id).message == "silent"
    assert len(taught.versions()) == 1


def test_an_error_of_ours_is_said_in_the_row_and_the_next_may_begin(
    taught: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = taught.request()
    with monkeypatch.context() as patch:
        patch.setattr(run, "train_on", lambda *_, **__: 1 / 0)
        assert retrain(first) == "failed"

    row = taught.row(first)
    assert "ZeroDivisionError" in row.message
    assert "\n" not in row.message
    assert retrain(taught.request()) == "done"


def test_a_second_job_of_the_same_retraining_does_nothing(taught: LearningLine) -> None:
    retraining_id = taught.request()
    retrain(retraining_id)

    assert retrain(retraining_id) is None

    assert len(taught.versions()) == 2


def test_a_model_changed_meanwhile_keeps_the_candidate_out_of_the_shadow(
    taught: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    retraining_id = taught.request()
    judge = run._Run._judge

    def meanwhile(self: run._Run, *arguments: object) -> object:
        report = judge(self, *arguments)  # type: ignore[arg-type]
        with Session(taught.engine) as session, session.begin():
            line = session.scalars(select(Line)).one()
            line.active_model_version_id = None
        return report

    monkeypatch.setattr(run._Run, "_judge", meanwhile)
    retrain(retraining_id)

    assert taught.line().shadow_model_version_id is None
    assert "scores no more" in taught.row(retraining_id).message


def test_teaching_trains_on_its_own_frames_only_and_gives_the_line_its_first_model(
    learning: LearningLine,
) -> None:
    learning.label(20)
    with Session(learning.engine) as session, session.begin():
        line = get_line(session, LINE)
        teaching = teachings.start_teaching(
            session, line, frames=15, detector="patchcore", actor=TEST
        )
        samples = session.scalars(select(Sample).order_by(Sample.id)).all()
        for sample in samples[:15]:
            sample.teaching_id = teaching.id
            sample.source = "teaching"
        teaching.frames_collected = 15
        teachings.stop_collecting(session, teaching, actor=TEST)
        asked = teachings.finish(session, teaching, actor=TEST)
        asked.detector = "brightness"  # the stand-in is none that people may choose
        retraining_id, teaching_id = asked.id, teaching.id

    assert retrain(retraining_id) == "done"

    [version] = learning.versions()
    assert version.manifest["train_images"] == 15
    assert learning.line().active_model_version_id == version.id
    with Session(learning.engine) as session:
        assert session.get_one(Teaching, teaching_id).state == "done"


def test_a_failed_teaching_is_looked_over_again(
    learning: LearningLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning.label(15)
    with Session(learning.engine) as session, session.begin():
        line = get_line(session, LINE)
        teaching = Teaching(
            line_id=line.id, frames_wanted=15, detector="patchcore", state="training",
            started_by="anna",
        )  # fmt: skip
        session.add(teaching)
        session.flush()
        session.query(Sample).update({"teaching_id": teaching.id, "source": "teaching"})
        teaching_id = teaching.id
    monkeypatch.setattr(run, "train_on", fail)
    retraining_id = learning.request(teaching_id=teaching_id)

    assert retrain(retraining_id) == "failed"

    assert learning.row(retraining_id).message == "no such backbone"
    with Session(learning.engine) as session:
        assert session.get_one(Teaching, teaching_id).state == "looking_over"


def fail(*_: object, **__: object) -> None:
    raise ModelError("no such backbone")


def test_what_a_killed_one_left_on_disk_is_removed_by_the_next(taught: LearningLine) -> None:
    folder = taught.training.models_dir / LINE
    left = folder / ".retraining-77-abcdef01"
    (left / "pictures").mkdir(parents=True)
    (left / "lock").touch()

    retrain(taught.request())

    assert not left.exists()
    assert len(taught.models()) == 2


def test_a_models_folder_that_cannot_be_written_is_said(taught: LearningLine) -> None:
    shutil.rmtree(taught.training.models_dir / LINE)
    (taught.training.models_dir / LINE).write_text("a file")
    retraining_id = taught.request()

    assert retrain(retraining_id) == "failed"

    assert "models_dir" in taught.row(retraining_id).message


@pytest.mark.parametrize("argument", ["1", None, True, 1.0])
def test_a_job_with_a_bad_argument_is_refused(learning: LearningLine, argument: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        retrain(argument)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 or more"):
        retrain(0)
