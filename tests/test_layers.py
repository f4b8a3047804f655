"""Who may import whom, and what must stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Left never imports right: a module may import only from layers before its own.
LAYERS = [
    {"errors"},
    {"untrusted", "neighbors"},
    {"corpus", "noise", "bands", "distributed"},
    {"config", "unet", "denoiser", "copies", "hardware"},
    {
        "corruption",
        "likeness",
        "paper",
        "loss",
        "sampler",
        "presets",
        "features",
        "theory",
        "comparison",
    },
    {"trainer", "quality", "run", "peers", "stored_features"},
    {"weights", "limits", "adapters", "advice"},
    {"worker"},
    {"recorder", "curves", "surgery", "verdicts", "pipelines"},
    {"evaluation", "search_bench", "audit_bench", "audits", "archive", "sweep"},
    {"hub", "bench", "judging", "cluster"},
    {"commands"},
    {"__main__"},
]


def imports(path: Path) -> set[str]:
    """Top-level and nested imports of a file, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_every_module_has_a_layer() -> None:
    modules = {p.stem for p in (ROOT / "ambient").glob("*.py")} - {"__init__"}
    assert set().union(*LAYERS) == modules


@pytest.mark.parametrize("depth", range(len(LAYERS)))
def test_left_never_imports_right(depth: int) -> None:
    allowed = set().union(*LAYERS[:depth])
    for name in LAYERS[depth]:
        names = {
            m.split(".")[1]
            for m in imports(ROOT / f"ambient/{name}.py")
            if m.startswith("ambient.")
        }
        lazy = {"weights"} if name == "run" else set()  # Run.denoiser loads torch when asked for
        assert names - lazy <= allowed, name


def test_the_core_knows_no_streamlit_and_pages_no_torch() -> None:
    for path in (ROOT / "ambient").glob("*.py"):
        assert not any(m.split(".")[0] == "streamlit" for m in imports(path)), path
    for path in [*(ROOT / "pages").glob("*.py"), ROOT / "app.py"]:
        assert not {m.split(".")[0] for m in imports(path)} & {"torch", "faiss", "torchvision"}, (
            path
        )


@pytest.mark.parametrize(
    "statement", ["import ambient", "import ambient.run, ambient.worker, ambient.copies"]
)
def test_import_is_light(statement: str) -> None:
    heavy = {"torch", "streamlit", "faiss", "torchvision"}
    code = f"{statement}; import sys; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout.strip() == "set()", out.stderr


def test_public_names_exist() -> None:
    import ambient

    modules = {p.stem for p in (ROOT / "ambient").glob("*.py")}
    assert not modules & set(ambient.__all__)  # importing such a module would hide the function
    for name in ambient.__all__:
        assert getattr(ambient, name) is not None
