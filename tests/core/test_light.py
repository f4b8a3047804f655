"""What stays light: `import ambient` and run folders load no torch, a training no compiler."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "streamlit", "faiss", "torchvision"}


@pytest.mark.parametrize(
    "modules", ["ambient", "ambient.runs.folder, ambient.runs.queue, ambient.copies.rules"]
)
def test_import_is_light(modules: str) -> None:
    code = f"import {modules}, sys; print({HEAVY} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "set()", out.stderr


def test_a_training_loads_no_compiler(tmp_path: Path) -> None:
    """Torch's own optimizers do, which takes as long as torch itself."""
    code = "import ambient, sys; ambient.train('digits', out=sys.argv[1], steps=1, width=16);"
    code += "print('torch._dynamo' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.stdout.strip() == "False", out.stderr


def test_public_names_exist() -> None:
    import ambient

    for name in ambient.__all__:
        assert callable(getattr(ambient, name))
