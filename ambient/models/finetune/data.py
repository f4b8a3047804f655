"""The pictures of a fine-tune with their captions, and each as a latent, encoded once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageOps
from torch import Tensor

from ambient.files import InputError, Tell, silent
from ambient.images.captions import captioned, digest
from ambient.images.corpus import MAX_IMAGES, Corpus, to_unit
from ambient.images.read import MAX_PICTURE_BYTES, flatten, open_picture, plain
from ambient.images.sources import Choice, Source, folder_sources
from ambient.images.squares import Squares, read_squares
from ambient.images.twins import twin_groups

COMPARED = 64  # pixels a side at which pictures are looked through for duplicates
CAPTIONS = (".txt", ".jsonl")  # files beside pictures that are theirs


@dataclass(frozen=True)
class Pictures:
    """A folder of pictures with captions."""

    # the pictures at 64 pixels a side, with captions, groups of near-duplicates, and in `notes`
    # what reading changed
    corpus: Corpus
    sources: tuple[Source, ...]  # the file of each
    resolution: int  # pixels a side that they are trained at

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def sha256(self) -> str:
        """Of what is trained on."""
        parts = (self.corpus.sha256, digest(self.corpus.captions), str(self.resolution))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def pixels(self, position: int) -> Float[Tensor, "1 3 r r"]:
        """A picture in [-1, 1], transparency on white, cropped to its middle.

        It is always the same view. A second crop would be a second noisy copy of the same pixels,
        and several such copies give the picture away; a mirrored latent is no mirrored picture's.
        """
        source = self.sources[position]
        picture = flatten(open_picture(source.read(MAX_PICTURE_BYTES + 1), source.name))
        picture = picture.convert("L").convert("RGB") if picture.mode == "F" else picture
        size = (self.resolution, self.resolution)
        square = ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)
        return torch.from_numpy(to_unit(np.asarray(square)[None]))


def read_pictures(
    place: str | Path, resolution: int, captions: str | None = None, tell: Tell = silent
) -> Pictures:
    """The pictures in a folder and below it, with the captions of a file or of the folder.

    Raises:
        InputError: no folder, no pictures, no captions, or captions that cannot be read.
    """
    folder = Path(place).expanduser().resolve()
    if not folder.is_dir():
        raise InputError(f"'{place}' is no folder; expected one of pictures with captions.")
    choice = Choice.among(folder_sources(folder), MAX_IMAGES, tell)
    squares = Squares(COMPARED)
    images = read_squares(choice, squares, folder.name, tell)
    for suffix in CAPTIONS:
        choice.others.pop(suffix, None)
    read = set(squares.names)
    corpus = Corpus(
        name=str(folder),
        images=images,
        names=tuple(squares.names),
        categories=("",) * len(images),
        groups=twin_groups(images),
        license="yours",
        notes=(*squares.notes(resolution), *choice.notes()),
    )
    sources = tuple(source for source in choice.pictures if source.name in read)
    return Pictures(captioned(corpus, captions), sources, resolution)


def remarks(pictures: Pictures, tokenizer: Any) -> list[str]:
    """What a person should know of the pictures before training, one line each."""
    corpus = pictures.corpus
    said = list(corpus.notes)
    if doubled := len(corpus) - len(set(corpus.groups.tolist())):
        first = next(i for i, g in enumerate(corpus.groups.tolist()) if g != i)
        said.append(
            f"{doubled} of {len(corpus)} pictures nearly repeat others, as "
            f"'{plain(corpus.names[first])}' does '{plain(corpus.names[corpus.groups[first]])}': "
            "they share the noise of their frozen copies, but what is shown more often is copied "
            "more; keep one of each."
        )
    most = tokenizer.model_max_length
    ids = tokenizer(list(corpus.captions), truncation=False, verbose=False).input_ids
    if long := sum(len(row) > most for row in ids):
        said.append(
            f"{long} of {len(corpus)} captions are longer than the {most} tokens that the text "
            "encoder reads; their ends are never seen."
        )
    return said


def tokens(tokenizer: Any, texts: Sequence[str]) -> Int[Tensor, "n k"]:
    """Captions as the text encoder reads them: padded and cut to its length."""
    found: Tensor = tokenizer(
        list(texts),
        max_length=tokenizer.model_max_length,
        padding="max_length",
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return found


@torch.inference_mode()
def encode(
    pictures: Pictures, vae: Any, device: torch.device, tell: Tell = silent
) -> Float[Tensor, "n c h w"]:
    """z0 of each picture: the mode of the VAE, which a sample would draw anew, times its scale.

    One by one and in float32, so that a latent depends on its picture alone.
    """
    vae = vae.to(device, torch.float32).eval()
    found = []
    for i in range(len(pictures)):
        tell("encoding pictures", i, len(pictures))
        found.append(vae.encode(pictures.pixels(i).to(device)).latent_dist.mode().cpu())
    return torch.cat(found) * vae.config.scaling_factor
