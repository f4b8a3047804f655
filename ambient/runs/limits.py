"""What visitors of a public server may ask for. Without `AMBIENT_PUBLIC=1` nothing is capped.

| environment variable    | default    | caps                                             |
|-------------------------|------------|--------------------------------------------------|
| AMBIENT_MAX_STEPS       | 10000      | steps of a run                                   |
| AMBIENT_MAX_STAGES      | 100        | stages of a run whose weights are stored         |
| AMBIENT_MAX_BATCH       | 128        | images a step                                    |
| AMBIENT_MAX_WIDTH       | 64         | channels at the network's finest level           |
| AMBIENT_MAX_N_TRAIN     | 2000       | training images                                  |
| AMBIENT_MAX_THREADS     | its cores  | threads of a training                            |
| AMBIENT_MAX_SIDE        | 64         | pixels along an image's side                     |
| AMBIENT_MAX_PICTURES    | 3000       | pictures of one's own to train on, or of an audit's set |
| AMBIENT_MAX_UPLOAD      | 50000000   | bytes of such pictures                           |
| AMBIENT_MAX_QUEUED      | 20         | runs queued or running, of all visitors; audits |
| AMBIENT_MAX_QUEUED_EACH | 2          | runs queued or running, of one visitor           |
| AMBIENT_MAX_DISK        | 2000000000 | bytes of the runs folder                         |
| AMBIENT_MAX_MEMORY      | 2000000000 | bytes of each process, beside torch and images    |
| AMBIENT_MAX_SECONDS     | 1800       | seconds that an audit takes                      |
| AMBIENT_KEEP_HOURS      | 24         | no cap: hours at rest before a run may go for room |
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ambient.config import Config
from ambient.files import InputError
from ambient.runs.folder import Run
from ambient.runs.job import fingerprint
from ambient.runs.turns import standings

VARIABLES = {"keep_hours": "AMBIENT_KEEP_HOURS"}  # that are not named AMBIENT_MAX_...


def is_public() -> bool:
    """Whether strangers use this server (`AMBIENT_PUBLIC=1`)."""
    return os.environ.get("AMBIENT_PUBLIC", "") not in ("", "0")


@dataclass(frozen=True)
class Limits:
    """Caps, infinite where nothing is capped. See the table above."""

    steps: float = 10_000
    stages: float = 100
    batch: float = 128
    width: float = 64
    n_train: float = 2_000
    threads: float = os.cpu_count() or 1
    side: float = 64
    pictures: float = 3_000
    upload: float = 50e6
    queued: float = 20
    queued_each: float = 2
    disk: float = 2e9
    memory: float = 2e9
    seconds: float = 1_800
    keep_hours: float = 24

    @classmethod
    def here(cls) -> Limits:
        """The caps that this process's environment asks for.

        Raises:
            InputError: a variable that is not a number.
        """
        if not is_public():
            return UNLIMITED
        usual = dataclasses.asdict(cls())
        return cls(
            **{k: _read(VARIABLES.get(k, f"AMBIENT_MAX_{k.upper()}"), v) for k, v in usual.items()}
        )

    def check(self, config: Config, folder: Path, owner: str | None = None, count: int = 1) -> None:
        """Refuse a run that this server does not train, or not now.

        Args:
            folder: the runs folder.
            owner: the token of who asks.
            count: so many runs are asked for together: all of them need room.

        Raises:
            InputError: the first cap that is exceeded, and by what.
        """
        if self == UNLIMITED:
            return
        for name in ("steps", "batch", "threads"):
            _refuse_above(name, getattr(config, name), getattr(self, name))
        stages = math.ceil(config.steps / config.checkpoint_every)
        _refuse_above("the number of stored stages", stages, self.stages)
        self.check_model(config)
        owners = [s.owner for s in standings(folder) if s.active and isinstance(s.job, Run)]
        mine = owners.count(fingerprint(owner))
        room = "" if count == 1 else f", which leaves no room for {count} more"
        if mine + count > self.queued_each:
            raise InputError(
                f"{mine} runs of yours are training or waiting, and this server takes "
                f"{self.queued_each:g} at a time{room}; wait for one to end, or stop it."
            )
        if len(owners) + count > self.queued:
            raise InputError(
                f"{len(owners)} runs are training or waiting, and this server takes "
                f"{self.queued:g}{room}; try again later."
            )

    def check_model(self, config: Config) -> None:
        """Refuse a model that is too large to be trained or looked at here.

        Raises:
            InputError: the first cap that is exceeded, and by what.
        """
        for name in ("width", "n_train", "side"):
            _refuse_above(name, getattr(config, name), getattr(self, name))

    def check_pictures(self, count: int, side: int) -> None:
        """Refuse pictures that somebody brought, where they are too many or too large.

        Raises:
            InputError: what there is, and the cap.
        """
        _refuse_above("the number of pictures", count, self.pictures)
        _refuse_above("side", side, self.side)

    def check_disk(self, folder: Path) -> None:
        """Refuse what is to be stored, where the runs folder is as large as it may be.

        Raises:
            InputError: what it holds, and what it may.
        """
        if math.isfinite(self.disk) and (held := bytes_of(folder)) >= self.disk:
            raise InputError(
                f"the runs folder holds {held / 1e6:.0f} MB of at most {self.disk / 1e6:.0f} MB; "
                "delete a run."
            )

    def cap_memory(self) -> None:
        """Let this process grow by at most `memory` bytes from here on, where the kernel can."""
        if math.isinf(self.memory) or not sys.platform.startswith("linux"):
            return
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        allowed = pages * resource.getpagesize() + int(self.memory)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.getrlimit(resource.RLIMIT_AS)[1]))


UNLIMITED = Limits(**{f.name: math.inf for f in dataclasses.fields(Limits)})


def _read(name: str, default: float) -> float:
    value = os.environ.get(name, "")
    try:
        number = float(value or default)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(f"{name} is '{value}'; expected a number, such as {default:g}.")
    return number


def _refuse_above(name: str, value: int, cap: float) -> None:
    if value > cap:
        raise InputError(
            f"{name} is {value}; this server trains at most {cap:g}. Choose less, or run "
            "Ambient Explorer on a machine of yours."
        )


def bytes_of(folder: Path) -> int:
    """Size of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total
