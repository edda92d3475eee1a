from typing import Any

import pytest


@pytest.fixture(scope="module")
def onnx() -> Any:
    found = pytest.importorskip("onnx")
    pytest.importorskip("onnx.reference")
    return found
