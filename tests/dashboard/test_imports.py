"""What the dashboard does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import pkgutil, runpy, sys
import dashboard
for module in pkgutil.walk_packages(dashboard.__path__, "dashboard."):
    __import__(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow
def test_no_module_of_the_dashboard_loads_torch_pandas_or_the_queue() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    loaded = set(done.stdout.split())
    assert {"dashboard", "streamlit", "cv2"} <= loaded
    assert not loaded & {"torch", "timm", "openvino", "pandas", "redis", "rq"}


def test_the_log_in_page_loads_neither_pandas_nor_the_pictures_tools() -> None:
    program = "import sys; from dashboard import app; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    loaded = set(done.stdout.split())
    assert {"streamlit", "sqlalchemy"} <= loaded
    assert not loaded & {"pandas", "cv2", "numpy"}
