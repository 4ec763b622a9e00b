"""Loads faiss with the matrix kernels that the CPU deserves."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ModelError

if TYPE_CHECKING:
    from types import ModuleType

_KERNEL_VARIABLE = "OPENBLAS_CORETYPE"
_AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
_AVX2 = {"avx2", "fma"}


def load_faiss() -> ModuleType:
    """Import faiss.

    Its wheels bring an OpenBLAS of 2021 that takes CPUs it does not know for a Pentium 4: on a
    Sapphire Rapids core the search then takes four times as long. OpenBLAS reads the name of the
    kernels to use while it is loaded, so it is given here, unless the user has given one.

    Raises:
        ModelError: if faiss is not installed.
    """
    kernels = None if "faiss" in sys.modules or _KERNEL_VARIABLE in os.environ else best_kernels()
    try:
        if kernels is not None:
            os.environ[_KERNEL_VARIABLE] = kernels
        import faiss
    except ImportError as exc:
        raise ModelError(
            "faiss is not installed: install linewatch with the extra cpu, "
            "or with the extra gpu on a CUDA machine"
        ) from exc
    finally:
        # Child processes decide for themselves.
        if kernels is not None:
            del os.environ[_KERNEL_VARIABLE]
    module: ModuleType = faiss
    return module


def best_kernels(cpu_info: Path = Path("/proc/cpuinfo")) -> str | None:
    """OpenBLAS' name for the kernels an x86 CPU can run; None where that is not known."""
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    if flags >= _AVX512 | _AVX2:
        return "SkylakeX"
    return "Haswell" if flags >= _AVX2 else None
