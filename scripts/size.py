"""How big the project is, and whether its imports run one way: `make size`.

Product: Python and JavaScript of ambient, ui, pages, scripts and app.py, blank lines and comments
included; tests: those of tests. Rooms are the names at ambient's top level. Circles and arrows that
run back up are counted over the modules of ambient and ui, among imports at the top of a module
and inside of its functions.
"""

import tomllib
from pathlib import Path

import grimp
import networkx

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("ambient", "ui", "pages", "scripts")


def lines(folders: tuple[str, ...], *files: str) -> int:
    """Lines of the Python and JavaScript files below folders, and of single files."""
    paths = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in (".py", ".js")]
    paths += [ROOT / f for f in files]
    return sum(len(p.read_text(encoding="utf-8").splitlines()) for p in paths)


def rooms() -> list[str]:
    """Names at ambient's top level."""
    found = (p for p in (ROOT / "ambient").iterdir() if p.name != "__pycache__")
    return sorted(p.name for p in found if p.suffix == ".py" or p.is_dir())


def order() -> list[str]:
    """Ambient's rooms from the last to the first that may be used, by the contract."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    found: list[str] = next(c["layers"] for c in contracts if c["containers"] == ["ambient"])
    return found


def main() -> None:
    graph = grimp.build_graph("ambient", "ui", include_external_packages=False)
    arrows = networkx.DiGraph(
        (a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)
    )
    circles = [c for c in networkx.strongly_connected_components(arrows) if len(c) > 1]
    place = {name: i for i, name in enumerate(order())}

    def room(module: str) -> int | None:
        head, *rest = module.split(".")
        return place.get(rest[0]) if head == "ambient" and rest else None

    ends = [(room(a), room(b)) for a, b in arrows.edges]
    back = sum(a is not None and b is not None and a > b for a, b in ends)
    print(f"product lines  {lines(PRODUCT, 'app.py'):,}")
    print(f"test lines     {lines(('tests',)):,}")
    print(f"rooms          {len(rooms())} ({', '.join(rooms())})")
    print(f"arrows         {arrows.number_of_edges()}, back up {back}")
    print(f"circles        {len(circles)} {[sorted(c) for c in circles] or ''}")


if __name__ == "__main__":
    main()
