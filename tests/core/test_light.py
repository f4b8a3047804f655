"""What stays light: `import ambient`, run folders and pages load no torch."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "streamlit", "faiss", "torchvision"}


@pytest.mark.parametrize(
    "modules", ["ambient", "ambient.runs.folder, ambient.runs.queue, ambient.copies.rules"]
)
def test_import_is_light(modules: str) -> None:
    code = f"import {modules}, sys; print({HEAVY} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "set()", out.stderr


def test_public_names_exist() -> None:
    import ambient

    for name in ambient.__all__:
        assert callable(getattr(ambient, name))
