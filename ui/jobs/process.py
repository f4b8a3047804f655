"""The process of an audit: `python -m ambient`, which ends when the server does.

The server holds the other end of its standard input; the kernel closes that, however the server
ended. The kernel also counts the time it may compute, if the server no longer can.
"""

from __future__ import annotations

import math
import os
import sys
import threading

from ambient.cli import main
from ambient.runs.limits import Limits


def _end_with_server() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: this waits for the end
    os._exit(1)


def _cap(seconds: float) -> None:
    if math.isinf(seconds) or sys.platform == "win32":
        return
    import resource

    most = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


if __name__ == "__main__":
    threading.Thread(target=_end_with_server, daemon=True).start()
    _cap(Limits.here().seconds)
    sys.exit(main())
