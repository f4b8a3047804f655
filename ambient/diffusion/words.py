"""The words of captions and prompts as numbers: frozen vectors, no network of ours.

They are those of the package wordllama 0.4.0.post1 (MIT): 32,000 pieces of words, 256 numbers
each, taken from the embeddings of Llama 2 and other models. Its own loader wants the network for a
file that it brings, so both files are read here directly. An optional package: see
requirements-text.txt.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from safetensors.torch import load_file
from torch import Tensor

from ambient.config import WORDS, Config
from ambient.diffusion.denoiser import Denoiser, Prompted
from ambient.diffusion.training import Captions
from ambient.files import InputError
from ambient.images.captions import MISSING, PACKAGE, is_installed, plan
from ambient.images.corpus import Corpus, Split
from ambient.images.read import guarded, plain

VECTORS = "weights/l2_supercat_256.safetensors"
PIECES = "tokenizers/l2_supercat_tokenizer_config.json"
SPREAD = 0.913  # standard deviation of the vectors, which are read in units of it
BEGINNING = 200  # characters of a text that are cut into pieces: more than eight pieces


class Vocabulary(NamedTuple):
    """Pieces of words."""

    # numbers of the pieces that a text is cut into, of those with a meaning
    find: Callable[[str], list[int]]
    vectors: Shaped[Tensor, "p v"]  # one a piece


@cache
def vocabulary() -> Vocabulary:
    """The pieces and their vectors, float16.

    Raises:
        InputError: the packages are not installed, or not whole.
    """
    spec = find_spec(PACKAGE)
    if not is_installed() or spec is None or spec.origin is None:
        raise InputError(f"{MISSING}.")
    from tokenizers import Tokenizer

    folder = Path(spec.origin).parent
    with guarded(f"the package {PACKAGE} is not whole; install it again."):
        vectors = load_file(folder / VECTORS)["embedding.weight"]
        pieces = Tokenizer.from_file(str(folder / PIECES))
        # Neither marks of beginning and end nor single bytes of letters that it does not know.
        known = pieces.get_vocab().items()
        empty = {i for p, i in known if p == "\u2581" or (p[:1] == "<" and p[-1:] == ">")}

    def find(text: str) -> list[int]:
        ids = pieces.encode(text, add_special_tokens=False).ids
        return [i for i in ids if i not in empty]

    return Vocabulary(find, vectors)


def read_words(texts: Sequence[str]) -> Shaped[Tensor, "n t v"]:
    """Each text as its first eight pieces, float16; rows of zeros stand for no word.

    A word that the vocabulary does not hold is read in pieces, down to letters. What has no piece
    (emoji, rare scripts) is left out, so a text of nothing else is read as an empty one.

    Raises:
        InputError: see `vocabulary`.
    """
    known = vocabulary()
    words = torch.zeros(len(texts), *WORDS, dtype=known.vectors.dtype)
    for row, text in zip(words, texts, strict=True):
        ids = known.find(text[:BEGINNING])[: WORDS[0]]
        row[: len(ids)] = known.vectors[ids] / SPREAD
    return words


def told(denoiser: Denoiser, prompts: Sequence[str], guidance: float = 1.0) -> Prompted:
    """The denoiser held to a prompt, or each image of a batch to its own.

    Args:
        prompts: one for all images, or as many as images are denoised at once. An empty one asks
            for any image.

    Raises:
        InputError: a network trained without captions, a prompt without a known word, or a
            guidance that is no number from 0 to 20.
    """
    if getattr(getattr(denoiser, "network", None), "read", None) is None:
        raise InputError("this model was trained without captions; train one with --text.")
    if odd := [prompt for prompt in prompts if not isinstance(prompt, str)]:
        raise InputError(f"a prompt is a {type(odd[0]).__name__}; expected text.")
    if isinstance(guidance, bool) or not isinstance(guidance, int | float):
        raise InputError(f"guidance is a {type(guidance).__name__}; expected a number.")
    if not 0 <= guidance <= 20:
        raise InputError(f"guidance is {guidance:g}; expected 0 (no prompt) to 20, usually 1 to 4.")
    words = read_words(prompts)
    for prompt, read in zip(prompts, words, strict=True):
        if prompt.strip() and not read.any():
            raise InputError(
                f"no word of '{plain(prompt, 60)}' is known; use words of letters, or leave the "
                "prompt empty for any image."
            )
    return Prompted(denoiser, words.float(), guidance)  # type: ignore[arg-type]  # it has a network


def captions_of(corpus: Corpus, split: Split, config: Config) -> Captions | None:
    """What a run tells of its training images; None for a run without text.

    Raises:
        InputError: captions without a known word, or controls that need categories.
    """
    if not config.text:
        return None
    texts, categories = (
        [column[i] for i in split.train] for column in (corpus.captions, corpus.categories)
    )
    found = plan(texts, categories, config.caption_control, config.seed)
    count = len(found.texts[0])
    words = read_words([text for row in found.texts for text in row])
    if not words.any():
        raise InputError("no caption holds a known word; give captions in words of letters.")
    return Captions(words.unflatten(0, (-1, count)), torch.from_numpy(found.visits))
