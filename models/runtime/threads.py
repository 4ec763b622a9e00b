"""Limits the threads of every numeric library in this process."""

from __future__ import annotations

import sys

import cv2


def limit_threads(threads: int | None) -> None:
    """Let OpenCV, faiss and, where loaded, torch use at most `threads`; None leaves them alone.

    Several scoring processes on one host get in each other's way without it: each library starts a
    thread per core. OpenVINO takes its number when a graph is compiled.
    """
    if threads is None:
        return
    cv2.setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(threads)
