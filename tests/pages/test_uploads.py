"""The one door of the pages: names, sizes, and sets stored as one file."""

from pathlib import Path

import pytest

from ambient.files import InputError
from ambient.images.corpus import load_corpus
from tests.files import picture, zipped
from ui import uploads


class File:
    """What Streamlit hands over, as far as it is used."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.data, self.file_id, self.size = name, data, name, len(data)

    def getvalue(self) -> bytes:
        return self.data


def test_names_are_harmless_as_text_and_as_files() -> None:
    given = {
        "../../etc/passwd": "etc_passwd",
        r"C:\a b.png": "C__a b.png",
        ".hidden.png": "hidden.png",
        "<b>\u202e\n.png": "b___.png",
        "火 naïve.png": "火 naïve.png",
        "...": "picture",
    }
    for name, expected in given.items():
        assert uploads.file_name(name) == expected
    assert len(uploads.file_name("火" * 500).encode()) < 250


def test_pictures_are_stored_together_and_read_again(tmp_path: Path) -> None:
    names = ["../a.png", "a.png", "..a.png", "b.png", "<c>.png"]
    files = [File(name, picture(i)) for i, name in enumerate(names)]
    found = load_corpus(uploads.store(tmp_path / "train", "train", files))
    assert found.names == ("1-a.png", "2-a.png", "a.png", "b.png", "c_.png")
    assert [p.name for p in (tmp_path / "train").iterdir()] == ["5 pictures"]


def test_an_archive_is_stored_as_it_is_and_alone(tmp_path: Path) -> None:
    archive = zipped([("a.png", picture(0))])
    path = uploads.store(tmp_path / "set", "train", [File("../mine.png", archive)])
    assert path == tmp_path / "set" / "mine.png"  # what it is, its content says
    both = [File("a.png", picture(0)), File("b.zip", archive)]
    with pytest.raises(InputError, match="train: 'b.zip' is a zip or npz among 2 files"):
        uploads.store(tmp_path / "both", "train", both)
    assert not (tmp_path / "both").exists()


def test_a_set_is_looked_at_as_it_arrives_by_its_own_name() -> None:
    files = [File(f"{i}.png", picture(i)) for i in range(4)]
    seen = uploads.glance(files, "Mine")  # type: ignore[arg-type]
    assert seen.said == "4 pictures of 16x16 pixels." and len(seen.first) == 4
    bad = [File("cat.png", b"MZ" + bytes(99))]
    with pytest.raises(InputError, match="Mine: 'cat.png' is not a readable picture"):
        uploads.glance(bad, "Mine")  # type: ignore[arg-type]
