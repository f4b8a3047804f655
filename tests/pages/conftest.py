"""Pages see no runs of this machine unless a test gives them some, and start none by themselves."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_own_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMBIENT_RUNS", str(tmp_path_factory.mktemp("no-runs")))
        patch.setattr("ui.jobs.desk.keep_going", lambda: None)  # else a test's queue outlives it
        yield
