"""The image without an engine: what its Dockerfile names is there, and its start command works.

The command runs as the Dockerfile's user in a copy of what the image would hold, where that user
can write nothing: not the source, not HOME, not the runs folder.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from ambient.runs.folder import Run, open_run
from ambient.runs.limits import Limits
from tests.jobs import until
from ui import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["", *(name for name, *_ in pages.PAGES), *pages.HIDDEN]
PLAIN_GIT = 10 * 2**20  # bytes of the largest file that a Space takes without Git LFS
BIN = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (keyword, rest) pairs, lines joined and comments dropped."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#")).replace("\\\n", "")
    return [(k, rest) for k, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def all_of(keyword: str) -> list[str]:
    return [rest for k, rest in instructions() if k == keyword]


def environment() -> dict[str, str]:
    pairs = (shlex.split(rest) for rest in all_of("ENV"))
    return dict(pair.split("=", 1) for line in pairs for pair in line)


def start_command() -> list[str]:
    (command,) = all_of("CMD")
    return list(json.loads(command))


def in_the_image() -> list[Path]:
    """What `COPY . .` takes: .dockerignore leaves out everything but the names it lists."""
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules
    return [ROOT / rule[1:] for rule in rules if rule.startswith("!")]


def front_matter() -> dict[str, str]:
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    return dict(line.split(": ", 1) for line in block.splitlines())


def stand_in(folder: Path, name: str) -> dict[str, str]:
    """An environment where a program of this name only prints what it was called with."""
    program = folder / name
    program.write_text(f'#!/bin/sh\necho {name} "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.defpath}"}


def test_what_is_copied_exists_and_goes_by_plain_git() -> None:
    for line in all_of("COPY"):
        *sources, _ = (word for word in line.split() if not word.startswith("--"))
        assert all((ROOT / source).exists() for source in sources), line
    for path in in_the_image():
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        assert files, path
        assert all(p.stat().st_size <= PLAIN_GIT for p in files), path


@pytest.mark.parametrize("space", ["someone/ambient-explorer", ""])
def test_only_in_a_space_uploads_need_no_cookie(tmp_path: Path, space: str) -> None:
    done = subprocess.run(
        start_command(),
        env={**stand_in(tmp_path, "streamlit"), "PORT": "8501", "SPACE_ID": space},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("streamlit run app.py --server.headless=true")
    assert ("--server.enableXsrfProtection=false" in done.stdout) == bool(space)


def test_the_server_takes_no_larger_file_than_a_visitor_may_hand_over() -> None:
    megabytes = int(environment()["STREAMLIT_SERVER_MAX_UPLOAD_SIZE"])
    assert megabytes == Limits().upload / 1e6
    guide = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    assert f"--server.maxUploadSize={megabytes}" in guide


def test_the_readme_sets_up_the_space() -> None:
    matter = front_matter()
    assert matter["sdk"] == "docker"
    assert matter["app_port"] == environment()["PORT"] == all_of("EXPOSE")[0]
    assert matter["license"] == "mit"
    assert len(matter["short_description"]) <= 60  # the Hub refuses a longer one
    colors = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {matter["colorFrom"], matter["colorTo"]} <= colors


@dataclass(frozen=True)
class Served:
    """A started image: its address, its process and what that printed."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path
    command: list[str]
    app: Path
    environment: dict[str, str]

    def interact(self, **request: object) -> dict[str, Any]:
        """One call of Streamlit's agent API: open a page, or press a button on it."""
        call = urllib.request.Request(
            f"{self.address}/_stcore/agent/interact",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(call, timeout=60) as answer:
            return dict(json.load(answer))

    def press(self, page: str, label: str) -> dict[str, Any]:
        shown = self.interact(page=page)
        key = next(a["key"] for a in shown["actions"] if a.get("label") == label)
        return self.interact(session_id=shown["session_id"], trigger={"key": key})


def errors(node: dict[str, Any]) -> list[str]:
    """The text of every error box in a page's tree."""
    own = [node["props"]["body"]] if node["type"] == "error" else []
    return own + [e for child in node.get("children", []) for e in errors(child)]


def may_only_read(user: int) -> list[str]:
    """What runs a command as this user, able to read everything (the interpreter may be root's).

    Without root's rights that is oneself.
    """
    if os.geteuid() != 0:
        return []
    rights = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *rights]


def set_writable(folder: Path, writable: bool) -> None:
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if writable else mode & ~0o222)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_run: Run) -> Iterator[Served]:
    """The image, started; its runs folder holds one paused run."""
    home = tmp_path_factory.mktemp("image")
    app = home / "app"
    for source in in_the_image():
        target = app / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "resume")
            shutil.copytree(source, target, ignore=left_out)
        else:
            shutil.copy(source, target)
    shutil.copytree(tiny_run.path, home / "runs" / "tiny")
    open_run(home / "runs" / "tiny").tell(status="paused", step=10)
    set_writable(home, False)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    given = {k: v.replace("/home/user", str(home)) for k, v in environment().items()}
    given |= {"PATH": BIN, "PORT": str(port), "SPACE_ID": "someone/ambient-explorer"}
    command = [*may_only_read(int(all_of("USER")[-1])), *start_command()]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=app,
            env={**given, "STREAMLIT_SERVER_ENABLE_AGENT_API": "true"},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_up(address), process)
        yield Served(address, process, log, command, app, given)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended, as it should have
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        set_writable(home, True)
        shutil.rmtree(home)


def is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return bool(answer.read() == b"ok")
    except OSError:
        return False


def test_every_page_comes_up_where_nothing_can_be_written(served: Served) -> None:
    server = psutil.Process(served.process.pid)
    assert not server.children()  # nobody has come yet
    for page in reversed(PAGES):  # the first visitor of a fresh server opens a deep link
        shown = served.interact(page=page)
        assert shown["status"] == "ready", (page, served.log.read_text())
        assert not errors(shown["tree"]), page
        if page == "paper":  # it leaves out in silence what docs/results.md would say
            assert "Hiding clean images" in json.dumps(shown["tree"])
    with urllib.request.urlopen(f"{served.address}/app/static/icon.png") as picture:
        assert picture.read() == (ROOT / "static/icon.png").read_bytes()
    assert not re.search(r"traceback|warning|denied|errno", served.log.read_text(), re.IGNORECASE)
    (warm,) = server.children()
    assert warm.cmdline()[-1] == "ambient.cli.warm" and warm.nice() == 10


@pytest.mark.parametrize("button", ["Train 50 digits"])
def test_training_where_nothing_can_be_written_is_one_line(served: Served, button: str) -> None:
    shown = served.press("train", button)
    (line,) = errors(shown["tree"])
    assert "cannot be written" in line
    assert "AMBIENT_RUNS" in line
    assert shown["status"] == "ready"


def test_the_health_check_passes_on_a_server_and_only_there(served: Served) -> None:
    (rest,) = all_of("HEALTHCHECK")
    check = ["sh", "-c", rest.partition("CMD ")[2]]
    given = served.environment
    assert subprocess.run(check, env=given).returncode == 0
    with socket.socket() as s:  # bound, and nobody listens
        s.bind(("127.0.0.1", 0))
        nobody = {**given, "PORT": str(s.getsockname()[1])}
        assert subprocess.run(check, env=nobody, stderr=subprocess.DEVNULL).returncode == 1


def test_sigterm_ends_it_and_leaves_nothing_running(served: Served) -> None:
    server = psutil.Process(served.process.pid)
    server.children() or served.interact(page="")  # a visitor, where this test runs alone
    (warm,) = server.children()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(timeout=20) == 0
    until(lambda: not warm.is_running())
    with pytest.raises(ProcessLookupError):
        os.killpg(served.process.pid, 0)
