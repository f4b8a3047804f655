"""Captions are read as people keep them, and controls change them as they say."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambient.files import InputError
from ambient.images.captions import DOUBLED, TIMES, captioned, plan, recombined
from ambient.images.corpus import Corpus, load_corpus


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    for name, picture in zip("abcd", pixels, strict=False):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return tmp_path


def lines(**texts: str) -> str:
    return "\n".join(json.dumps({"file_name": f"{n}.png", "text": t}) for n, t in texts.items())


def test_bundled_corpora_bring_names_and_meanings(emoji: Corpus, kanji: Corpus) -> None:
    assert captioned(emoji).captions == emoji.names
    meant = captioned(kanji)
    assert meant.captions[:2] == ("one", "male adult")
    assert "182 of 6355 pictures have no caption" in meant.notes[-1]


def test_captions_of_a_folder_are_found(folder: Path) -> None:
    (folder / "a.txt").write_text(" a  red\nheart ", encoding="utf-8-sig")
    (folder / "b.txt").write_text("word " * 2000)
    beside = captioned(load_corpus(folder))
    assert beside.captions[0] == "a red heart"
    assert beside.captions[1].startswith("word word") and len(beside.captions[1]) <= 500
    assert beside.captions[2:] == ("", "")
    (folder / "captions.jsonl").write_text(lines(b="second", a="", gone="nothing"))
    assert captioned(load_corpus(folder)).captions == ("", "second", "", "")
    (folder / "metadata.jsonl").write_text(lines(c="third"))
    assert captioned(load_corpus(folder)).captions == ("", "", "third", "")
    other = folder / "other.txt"
    other.write_text("\n" + lines(d="named apart"))
    assert captioned(load_corpus(folder), other).captions == ("", "", "", "named apart")


def test_captions_of_an_npz_are_read(tmp_path: Path, pixels: np.ndarray) -> None:
    words = [f"number {i}" for i in range(len(pixels))]
    np.savez(tmp_path / "x.npz", images=pixels, captions=np.array(words))
    assert captioned(load_corpus(tmp_path / "x.npz")).captions == tuple(words)
    np.savez(tmp_path / "y.npz", images=pixels, captions=np.array(words[:3]))
    with pytest.raises(InputError, match="'captions' is .* expected one for each of 20 images"):
        load_corpus(tmp_path / "y.npz")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lines(a="one").encode("utf-16"), "is not UTF-8 text; save it as UTF-8"),
        (b'{"file_name": "a.png"}', "line 1: .*`text`"),
        (lines(a="one").encode() + b"\n[1]", "line 2: "),
        (lines(a="one").encode() * 2, "line 1: "),
        (f"{lines(a='one')}\n{lines(a='two')}".encode(), "names 'a.png' in line 1 and in line 2"),
        (lines(z="one").encode(), "names none of the pictures; expected names such as 'a.png'"),
        (lines(a=" ").encode(), "has no captions; give --captions FILE"),
        (b"", "names none of the pictures"),
    ],
)
def test_bad_captions_are_refused_in_a_line(folder: Path, content: bytes, complaint: str) -> None:
    (folder / "metadata.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=complaint) as e:
        captioned(load_corpus(folder))
    assert "\n" not in str(e.value)


def test_controls_change_captions_as_they_say() -> None:
    names = [f"thing {i}" for i in range(40)]
    kinds = [f"kind {i % 3}" for i in range(40)]
    told = {c: plan(names, kinds, c, seed=1) for c in ("name", "category", "shuffled", "redrawn")}
    assert told["name"].texts == tuple((n,) for n in names)
    assert told["category"].texts == tuple((k,) for k in kinds)
    assert told["redrawn"].texts == tuple(zip(names, kinds, strict=True))
    assert told["shuffled"].texts != told["name"].texts
    assert sorted(told["shuffled"].texts) == sorted(told["name"].texts)
    assert told["shuffled"].texts == plan(names, kinds, "shuffled", seed=1).texts
    once, varied = (plan(names, kinds, c, seed=1) for c in ("doubled", "paraphrased"))
    counts = np.bincount(once.visits)
    assert sorted(set(counts.tolist())) == [1, TIMES]
    assert (counts == TIMES).sum() == DOUBLED * 40
    assert np.array_equal(once.visits, varied.visits)
    several = np.array([len(set(texts)) for texts in varied.texts])
    assert np.array_equal(several > 1, counts == TIMES)
    with pytest.raises(InputError, match="need categories"):
        plan(names, [""] * 40, "category", seed=1)


def test_recombined_prompts_are_nobodys_caption(emoji: Corpus) -> None:
    prompts = recombined(emoji.names, 100, seed=0)
    assert len(set(prompts)) == 100
    assert not set(prompts) & set(emoji.names)
    firsts, lasts = ({n.split()[i] for n in emoji.names} for i in (0, -1))
    assert all(p.split()[0] in firsts and p.split()[-1] in lasts for p in prompts)
    assert recombined(["one", "two"], 5, seed=0) == []
