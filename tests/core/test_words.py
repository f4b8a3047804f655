"""A network that reads words: without them it is the one that does not, to the last bit."""

import pytest
import torch
from torch.testing import assert_close

from ambient.config import WORDS, Config, configure
from ambient.diffusion.denoiser import EDM, Prompted
from ambient.diffusion.training import Trainer, build_denoiser, train
from ambient.diffusion.words import captions_of, read_words, told
from ambient.files import InputError
from ambient.images.captions import captioned
from ambient.images.corpus import Corpus, split_corpus, to_unit

pytestmark = pytest.mark.usefixtures("small_vocabulary")


@pytest.fixture(scope="module")
def named(emoji: Corpus) -> Corpus:
    return captioned(emoji)


def config_of(corpus: Corpus, **choices: object) -> Config:
    small = {"n_train": 16, "batch": 8, "width": 16, "steps": 4, "dtype": "float32"}
    return configure(corpus, **(small | choices))


def trainer_of(corpus: Corpus, config: Config) -> Trainer:
    split = split_corpus(corpus, config.n_train, config.split_seed)
    images = torch.from_numpy(to_unit(corpus.images[split.train]))
    return Trainer(config, images, split.train, captions=captions_of(corpus, split, config))


@pytest.fixture(scope="module")
def trained(named: Corpus) -> EDM:
    """All weights that begin at zero are away from it."""
    denoiser = build_denoiser(config_of(named, text=True))
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter += 0.05 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            )
    return denoiser.requires_grad_(False)


def noisy(b: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(b, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return x, torch.tensor([0.1, 0.5, 2.0, 20.0])[:b]


@pytest.mark.parametrize("network", ["concat", "bands"])
def test_an_untrained_text_branch_changes_nothing(named: Corpus, network: str) -> None:
    plain, reads = (
        build_denoiser(config_of(named, text=t, network=network)) for t in (False, True)
    )
    assert torch.equal(told(reads, ["red heart"], 2.0)(*noisy()), plain(*noisy()))


def test_pads_and_empty_prompts_say_nothing(trained: EDM) -> None:
    x, sigma = noisy()
    some = read_words(["red heart"]).float()
    longer = torch.cat([some, torch.zeros(1, 5, WORDS[1])], dim=1)
    assert_close(Prompted(trained, some)(x, sigma), Prompted(trained, longer)(x, sigma))
    assert not torch.equal(Prompted(trained, some)(x, sigma), trained(x, sigma))
    assert torch.equal(told(trained, [""])(x, sigma), trained(x, sigma))


def test_guidance_goes_from_no_prompt_through_the_prompt(trained: EDM) -> None:
    x, sigma = noisy()
    asked = read_words(["red heart"]).float().expand(4, -1, -1)
    with_words, without = trained(x, sigma, words=asked), trained(x, sigma)
    for guidance in (0.0, 1.0, 3.0):
        expected = without + guidance * (with_words - without)
        assert_close(told(trained, ["red heart"], guidance)(x, sigma), expected)
    assert torch.equal(told(trained, ["red heart"], 0.0)(x, sigma), without)
    assert torch.equal(told(trained, ["red heart"], 1.0)(x, sigma), with_words)


def test_each_image_of_a_batch_follows_its_own_prompt(trained: EDM) -> None:
    x, sigma = noisy(2)
    both = told(trained, ["red heart", "white face"])(x, sigma)
    for i, prompt in enumerate(["red heart", "white face"]):
        assert_close(both[i : i + 1], told(trained, [prompt])(x[i : i + 1], sigma[i : i + 1]))


@pytest.mark.parametrize(
    ("prompt", "guidance", "complaint"),
    [
        ("xyzzy", 1.0, "no word of 'xyzzy' is known"),
        ("red", -1.0, "guidance is -1; expected 0"),
        ("red", float("nan"), "guidance is nan"),
    ],
)
def test_bad_prompts_are_refused(
    trained: EDM, prompt: str, guidance: float, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        told(trained, [prompt], guidance)


def test_words_are_at_most_eight_and_unknown_ones_are_left_out() -> None:
    read = read_words(["red " * 2000, "a red xyzzy heart", ""])
    assert [int(r.any(-1).sum()) for r in read] == [8, 2, 0]
    assert_close(read[1], read_words(["red heart"])[0])


@pytest.mark.parametrize("control", ["name", "paraphrased"])
def test_training_resumes_bit_for_bit(named: Corpus, control: str) -> None:
    config = config_of(named, text=True, caption_control=control)
    whole, first = trainer_of(named, config), trainer_of(named, config)
    losses = [step.loss for step in train(whole)]
    run = train(first)
    begun = [next(run).loss, next(run).loss]
    second = trainer_of(named, config)
    second.load_state(first.state())
    assert begun + [step.loss for step in train(second)] == losses
    for a, b in zip(second.averages, whole.averages, strict=True):
        assert torch.equal(a, b)


def test_captions_stay_with_their_images(named: Corpus) -> None:
    """In every step the words are those of the picked image, or none at the share of dropout."""
    trainer = trainer_of(named, config_of(named, text=True, caption_dropout=0.5))
    captions = trainer.captions
    pick, heard = torch.arange(8), []
    for trainer.step in range(100):
        heard.append(trainer.words(pick, captions))
    own, said = captions.words[pick, 0].float(), torch.stack(heard)
    silent = (said == 0).flatten(2).all(-1)
    assert all(torch.equal(w[~q], own[~q]) for w, q in zip(said, silent, strict=True))
    spoken = own.flatten(1).any(-1)
    assert abs(float(silent[:, spoken].float().mean()) - 0.5) < 0.1


def test_captions_need_text(named: Corpus, digits: Corpus) -> None:
    with pytest.raises(InputError, match="give text too"):
        config_of(named, caption_control="shuffled")
    with pytest.raises(InputError, match="has no captions"):
        config_of(digits, text=True)
