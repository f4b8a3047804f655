"""A server of the explorer on a free port of this machine, for whatever looks at it."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIES, PAUSE = 120, 0.5  # a minute


def start_server(
    runs: Path, log: Path, public: bool = False, **options: str
) -> tuple[str, subprocess.Popen[bytes]]:
    """A server that answers: its address and its process.

    It has the limits of a public server where asked, and options of Streamlit's.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = {"headless": "true", "address": "127.0.0.1", "port": str(port), **options}
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += [f"--server.{name}={value}" for name, value in options.items()]
    environment = {**os.environ, "AMBIENT_PUBLIC": str(int(public)), "AMBIENT_RUNS": str(runs)}
    environment.setdefault("MALLOC_ARENA_MAX", "2")  # as the Dockerfile
    with log.open("ab") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}"
    for _ in range(TRIES):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
            return address, server
        except OSError:
            time.sleep(PAUSE)
    server.kill()
    raise TimeoutError(f"no server answered at {address}: {log.read_text(errors='replace')[-500:]}")


@contextmanager
def serving(runs: Path, log: Path, public: bool = False, **options: str) -> Iterator[str]:
    """The address of a server that ends with the block."""
    address, server = start_server(runs, log, public, **options)
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)
