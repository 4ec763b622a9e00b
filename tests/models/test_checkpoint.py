"""An unfinished training goes on as if it had never stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from models import checkpoint as checkpoint_module
from models.checkpoint import Checkpoint
from models.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path


def parts(kind: type[torch.optim.Optimizer]) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    return net, kind(
        net.parameters(), lr=0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {})
    )


def step(net: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    batch = torch.randn(8, 4, generator=torch.Generator().manual_seed(number))
    optimizer.zero_grad()
    net(batch).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_a_restored_training_ends_with_the_same_weights(
    kind: type[torch.optim.Optimizer], tmp_path: Path
) -> None:
    net, optimizer = parts(kind)
    for number in range(3):
        step(net, optimizer, number)
    Checkpoint(tmp_path / "state", "a").save({"done": 3}, {"net": net}, {"net": optimizer})
    for number in range(3, 6):
        step(net, optimizer, number)

    other, its_optimizer = parts(kind)
    facts = Checkpoint(tmp_path / "state", "a").restore({"net": other}, {"net": its_optimizer})
    for number in range(3, 6):
        step(other, its_optimizer, number)

    assert facts == {"done": 3}
    for name, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_without_a_file_nothing_is_restored(tmp_path: Path) -> None:
    net, optimizer = parts(torch.optim.Adam)

    assert Checkpoint(tmp_path / "state", "a").restore({"net": net}, {"net": optimizer}) is None


def test_another_trainings_state_is_refused(tmp_path: Path) -> None:
    net, optimizer = parts(torch.optim.Adam)
    Checkpoint(tmp_path / "state", "a").save({}, {"net": net}, {"net": optimizer})

    with pytest.raises(ArtifactError, match="other images, settings, seed"):
        Checkpoint(tmp_path / "state", "b").restore({"net": net}, {"net": optimizer})


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(content)

    with pytest.raises(ArtifactError, match="holds no unfinished training"):
        Checkpoint(tmp_path / "state", "a").restore({}, {})


def test_whether_there_is_a_state_to_go_on_from(tmp_path: Path) -> None:
    assert not Checkpoint(tmp_path / "state", "a").exists()

    Checkpoint(tmp_path / "state", "a").save({}, {}, {})

    assert Checkpoint(tmp_path / "state", "a").exists()
    with pytest.raises(ArtifactError, match="other images, settings, seed"):
        Checkpoint(tmp_path / "state", "b").exists()


def test_a_failed_saving_leaves_the_former_state(tmp_path: Path) -> None:
    net, optimizer = parts(torch.optim.Adam)
    checkpoint = Checkpoint(tmp_path / "state", "a")
    checkpoint.save({"done": 1}, {"net": net}, {"net": optimizer})
    (tmp_path / "state").rename(tmp_path / "kept")

    with pytest.raises(ArtifactError, match="cannot keep the unfinished training"):
        Checkpoint(tmp_path / "missing" / "state", "a").save({}, {"net": net}, {})

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_it_is_due_after_its_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "a")
    assert not checkpoint.is_due()

    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.0)

    assert checkpoint.is_due()


def test_a_finished_training_leaves_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "state", "a")
    checkpoint.save({}, {}, {})

    checkpoint.discard()
    checkpoint.discard()

    assert list(tmp_path.iterdir()) == []
