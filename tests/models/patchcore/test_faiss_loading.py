"""The choice of matrix kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from models.patchcore.faiss_loading import best_kernels

if TYPE_CHECKING:
    from pathlib import Path

AVX2 = "fpu sse2 avx fma avx2"
AVX512 = f"{AVX2} avx512f avx512dq avx512bw avx512vl"


@pytest.mark.parametrize(
    ("flags", "kernels"),
    [(AVX512, "SkylakeX"), (AVX2, "Haswell"), ("fpu sse2", None), (f"{AVX2} avx512f", "Haswell")],
)
def test_kernels_are_the_best_the_cpu_can_run(
    flags: str, kernels: str | None, tmp_path: Path
) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n")

    assert best_kernels(cpu_info) == kernels


def test_without_a_known_cpu_the_library_decides(tmp_path: Path) -> None:
    assert best_kernels(tmp_path / "absent") is None


@pytest.mark.parametrize("users", [None, "Nehalem"])
def test_the_environment_is_left_as_it_was(users: str | None) -> None:
    code = (
        "import os; from models.patchcore.faiss_loading import load_faiss; load_faiss(); "
        "print(os.environ.get('OPENBLAS_CORETYPE'))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    environment |= {"OPENBLAS_CORETYPE": users} if users else {}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(users)
