"""Pictures in memory: one form whatever library holds them, and one line for what is none."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ambient
from ambient.files import InputError
from ambient.images.arrays import as_images

BYTES = np.random.default_rng(0).integers(0, 256, (120, 8, 12, 3), dtype=np.uint8)
BYTES[0, 0, 0, :2] = 0, 255  # the whole range
UNIT = BYTES / np.float32(127.5) - 1
FORMS: dict[str, Any] = {
    "bytes": BYTES,
    "whole numbers": BYTES.astype(np.int64),
    "a list of arrays": list(BYTES),
    "a list of PIL images": [Image.fromarray(x) for x in BYTES],
    "floats in [-1, 1]": UNIT,
    "doubles in [0, 1]": BYTES / 255,
    "channels first": UNIT.transpose(0, 3, 1, 2),
    "a tensor": torch.from_numpy(UNIT).permute(0, 3, 1, 2).requires_grad_(),
    "a list of double tensors": list(torch.from_numpy(UNIT).double()),
    "a tensor of bytes": torch.from_numpy(BYTES),
}


def changed(images: np.ndarray, value: float) -> np.ndarray:
    images = images.copy()
    images[7] = value
    return images


REFUSED: dict[str, tuple[Any, str]] = {
    "one is NaN": (changed(UNIT, np.nan), "1 of 120 hold NaN or infinity, first number 7"),
    "floats of bytes": (BYTES.astype(np.float32), "values from 0 to 255; expected bytes"),
    "12 bits": (BYTES.astype(np.uint16) * 16, "values from 0 to 4080; expected bytes"),
    "standardized": (UNIT * 2.5, "values from -2.5 to 2.5; expected bytes"),
    "rows": (UNIT.reshape(120, -1), r"the shape (120, 288); expected (n, h, w)"),
    "one picture": (BYTES[0], r"the shape (8, 12, 3)"),
    "two sizes": ([BYTES[0], BYTES[0, :, :8]], r"pictures of (8, 8, 3) and (8, 12, 3) in one list"),
    "paths": (["a.png", "b.png"], "is no number"),
}


@pytest.mark.parametrize("form", FORMS)
def test_pictures_of_any_library_are_the_same(form: str) -> None:
    np.testing.assert_array_equal(as_images(FORMS[form], "pictures"), BYTES)


def test_half_precision_is_off_by_a_level_at_most() -> None:
    found = as_images(torch.from_numpy(UNIT).bfloat16(), "pictures").astype(int)
    assert abs(found - BYTES).max() <= 1
    gray = as_images([Image.fromarray(BYTES[0, ..., 0])] * 2, "pictures")
    assert gray.shape == (2, 8, 12, 1)


def test_a_picture_of_pillow_is_read_as_its_file_is() -> None:
    clear = Image.new("RGBA", (8, 12), (0, 0, 0, 0))
    deep = Image.fromarray(np.full((12, 8), 0x8000, np.uint16))
    turned = Image.fromarray(BYTES[0])
    turned.getexif()[0x0112] = 6  # lies on its side
    assert (as_images([clear], "pictures") == 255).all()
    assert (as_images([deep], "pictures") == 128).all()
    np.testing.assert_array_equal(as_images([turned], "pictures")[0], np.rot90(BYTES[0], -1))


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_picture_is_one_line(form: str) -> None:
    given, words = REFUSED[form]
    with pytest.raises(InputError) as caught:
        as_images(given, "samples")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", ["bytes", "a list of double tensors"])
def test_copies_are_found_in_any_form(form: str) -> None:
    heldout = np.random.default_rng(1).integers(0, 256, (200, 8, 12, 3), dtype=np.uint8)
    for unseen in (heldout, None):
        verdict, neighbors = ambient.find_copies(FORMS[form], BYTES, unseen)
        assert verdict.rate == 1
        assert verdict.heldout_rate < 0.1
        np.testing.assert_array_equal(neighbors.nearest, np.arange(120))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": BYTES[:, :, :8]}, r"samples are (8, 8, 3) and train (8, 12, 3)"),
        ({"heldout": BYTES[..., :1]}, r"heldout are (8, 12, 1)"),
        ({"train": changed(UNIT, np.nan)}, "train: 1 of 120 hold NaN"),
        ({"groups": [0, 1]}, r"groups are int64 (2,); expected one whole number for each of 120"),
        ({"groups": np.zeros(120, int)}, "form 1 groups of twins; at least 2 are needed"),
        ({"samples": BYTES[:3]}, "3 samples; at least"),
    ],
)
def test_sets_that_do_not_fit_are_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        ambient.find_copies(**{"samples": BYTES, "train": BYTES, "heldout": BYTES} | changes)
    assert words in str(caught.value)
