"""Runs and pipelines on the Hugging Face Hub: out with a model card, in at a pinned revision.

Needs the optional packages of requirements-models.txt. What comes in is read like any upload
(`ambient.runs.archive`, `ambient.models.pipelines`): JSON, PNG, npz and safetensors, never code.
"""

import errno
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ambient.files import InputError, is_full, unwritten, write_atomically
from ambient.images.read import plain
from ambient.images.zips import zipped
from ambient.models.pipelines import INDEX, is_pipeline, load_pipeline
from ambient.models.subject import Subject
from ambient.runs.archive import PARTS, export_run, import_run
from ambient.runs.card import model_card
from ambient.runs.folder import Run

PREFIX = "hub:"
ORIGIN_FILE = "hub.json"  # repository and commit that a run was pulled from
RUN_FILES = (*PARTS, "checkpoints/*.safetensors", "sheets/*.png")
PIPELINE_FILES = (INDEX, "scheduler_config.json", "*/config.json", "*/scheduler_config.json")
CLIENTS = ("httpx", "httpx2", "httpcore", "requests", "urllib3", "socket", "ssl")
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)
WEIGHTS = ("diffusion_pytorch_model*.safetensors*", "*/diffusion_pytorch_model*.safetensors*")


def parse(spec: str) -> tuple[str, str | None]:
    """`hub:owner/name@revision` (the prefix and the revision may be left out) as both parts.

    Raises:
        InputError: anything else.
    """
    found = re.fullmatch(
        r"(?:hub:)?([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?", spec, re.ASCII
    )
    if not found:
        raise InputError(
            f"'{plain(spec)}' names nothing on the Hub; expected hub:owner/name, and @revision for "
            "one state of it."
        )
    return found[1], found[2]


def pull(spec: str, into: Path) -> Subject:
    """A run, unpacked below `into`, or a diffusers pipeline, kept in the Hub's own cache.

    A run notes the repository and the commit in its folder (hub.json); a pipeline is named after
    them, so its reports do.

    Raises:
        InputError: huggingface_hub is not installed, no connection and nothing cached, no such
            repository or revision, or what `import_run` or `load_pipeline` refuse.
    """
    folder, name = snapshot(spec, (*RUN_FILES, *PIPELINE_FILES, *WEIGHTS))
    repo, commit = name.split("@")
    if is_pipeline(folder):
        return load_pipeline(folder, name)
    if not (folder / "config.json").is_file():
        raise InputError(f"'{repo}' holds neither a run nor a diffusers pipeline.")
    run = import_run(zipped(folder, folder.rglob("*")), into)
    origin = json.dumps({"repo": repo, "revision": commit}) + "\n"
    write_atomically(run.path / ORIGIN_FILE, origin)
    return run


def snapshot(spec: str, patterns: Sequence[str]) -> tuple[Path, str]:
    """The files of a repository that match, in the Hub's own cache, and `owner/name@commit`.

    Raises:
        InputError: huggingface_hub is not installed, no connection and nothing cached, or no such
            repository or revision.
    """
    repo, revision = parse(spec)
    library = _library()
    with _said_of(repo):
        found = library.snapshot_download(repo, revision=revision, allow_patterns=list(patterns))
    folder = Path(found)
    return folder, f"{repo}@{folder.name}"  # the cache has a folder a commit


def push(run: Run, repo: str, images: bool = False, public: bool = False) -> str:
    """Make a repository the newest state of a run, with a model card; its commit.

    Args:
        repo: owner/name; made if it is not there, private unless `public`. One that exists keeps
            its visibility.
        images: with the images too: only where their license lets you.

    Raises:
        InputError: huggingface_hub is not installed, no connection, no right to write there, or a
            run that cannot be exported.
    """
    repo, revision = parse(repo)
    if revision:
        raise InputError(f"'{plain(repo)}@{plain(revision)}': push to owner/name, no revision.")
    library = _library()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(export_run(run, images))) as archive:
            archive.extractall(folder)
        Path(folder, "README.md").write_text(model_card(run, repo, images), encoding="utf-8")
        with _said_of(repo):
            api = library.HfApi()
            api.create_repo(repo, private=not public, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=f"{run.name}, step {run.last_step}",
                delete_patterns=list(RUN_FILES),  # older weights would be a second run
            )
    return str(done.oid)


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as e:
        raise InputError(
            "the Hub needs a package that is not installed; run "
            "`pip install -r requirements-models.txt`."
        ) from e
    return huggingface_hub


@contextmanager
def _said_of(repo: str) -> Iterator[None]:
    """Whatever the Hub's library raises, as one line about `repo`."""
    try:
        yield
    except Exception as e:
        raise InputError(_line(repo, e)) from e


def _line(repo: str, error: BaseException) -> str:
    """What went wrong with `repo`, by whose fault, and what to do about it."""
    from huggingface_hub import constants, errors

    login = "log in with `hf auth login`."
    absent, refused = errors.LocalEntryNotFoundError, errors.HfHubHTTPError
    if isinstance(error, absent) and isinstance(error.__cause__, refused):
        error = error.__cause__  # reached, refused, and never pulled before
    if isinstance(error, errors.RevisionNotFoundError):
        return f"'{repo}' has no such revision on the Hub; check what follows @."
    if isinstance(error, (errors.RepositoryNotFoundError, errors.LocalTokenNotFoundError)):
        return f"'{repo}' is not on the Hub, or not for you; check the name, or {login}"
    if _is_unreachable(error):
        return (
            f"the Hub cannot be reached for '{repo}', and this revision of it was never pulled "
            f"here ({type(error).__name__}); connect to the network, or open a folder or zip."
        )
    if isinstance(error, refused):
        status = getattr(error.response, "status_code", "an error")
        return f"the Hub answered {status} about '{repo}'; check your rights there, or {login}"
    if isinstance(error, OSError) and (is_full(error) or error.errno in NO_RIGHT):
        place = Path(str(error.filename or constants.HF_HUB_CACHE))
        return f"'{repo}' is not done: {unwritten(place, error)}"
    said = plain(f"{type(error).__name__}: {error}", 200)
    return f"the Hub's library gave up on '{repo}' ({said}); fix that, or update huggingface_hub."


def _is_unreachable(error: BaseException) -> bool:
    """Whether the network is at fault: the library passes on what its HTTP client raises."""
    from huggingface_hub import errors

    if isinstance(error, (errors.LocalEntryNotFoundError, ConnectionError, TimeoutError)):
        return True
    client = type(error).__module__.partition(".")[0]
    by_client = client in CLIENTS and not isinstance(error, errors.HfHubHTTPError)
    return by_client or getattr(error, "errno", None) in UNREACHABLE
