"""Models that were not trained here: our arithmetic is diffusers' own, and every figure runs."""

import json
import shutil
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

import ambient
from ambient.cli import main
from ambient.diffusion.noise import SeededNoise
from ambient.diffusion.samplers import SAMPLERS
from ambient.files import InputError
from ambient.models.adapters import PREDICTS, Discrete, Model
from ambient.reports import curves
from tests.files import zipped as packed
from tests.ideal import ideal

diffusers = pytest.importorskip("diffusers")
from ambient.models.pipelines import DISCRETE, INDEX, OLD, load_pipeline, load_zip  # noqa: E402
from tests.pipelines import files, save, unet  # noqa: E402

SHAPE = (3, 8, 8)
UNET, WEIGHTS = "unet/config.json", "unet/diffusion_pytorch_model.safetensors"
TRAIN = 40  # a schedule this short can be walked step by step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pipeline of random weights."""
    return save(tmp_path_factory.mktemp("pipelines") / "ddpm")


@pytest.fixture
def others() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)


def pictures(folder: Path, images: np.ndarray) -> Path:
    np.savez(folder, images=images)
    return folder


# The arithmetic


@pytest.mark.parametrize("predicts", PREDICTS)
@pytest.mark.parametrize("beta_schedule", ["linear", "squaredcos_cap_v2"])
def test_a_perfect_network_makes_the_ideal_denoiser(predicts: str, beta_schedule: str) -> None:
    """Whatever a network predicts, if it knows the truth the denoiser is the ideal one."""
    scheduler = diffusers.DDPMScheduler(beta_schedule=beta_schedule)
    abar, truth = scheduler.alphas_cumprod, ideal(torch.rand(5, *SHAPE) * 2 - 1)

    def network(x_t: Tensor, t: Tensor) -> Tensor:
        a = abar[t.round().long()].double()[:, None, None, None]
        x0 = truth((x_t / a.sqrt()).float(), ((1 - a) / a).sqrt().flatten().float())
        noise = (x_t - a.sqrt() * x0) / (1 - a).sqrt()
        v = a.sqrt() * noise - (1 - a).sqrt() * x0
        return {"epsilon": noise, "sample": x0, "v_prediction": v}[predicts].float()

    denoiser = Discrete(network, abar, predicts)
    sigmas = ((1 - abar) / abar).sqrt()[[0, 50, 400, 700]].float()
    x = torch.randn(4, *SHAPE) * sigmas[:, None, None, None]
    torch.testing.assert_close(denoiser(x, sigmas), truth(x, sigmas), rtol=1e-3, atol=1e-3)


# Schedulers that make a step of ours, and how: the sampler, their choices, their step's.
STEPS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "DDIMScheduler": ("euler", {"clip_sample": True}, {"use_clipped_model_output": True}),
    "DDPMScheduler": ("ancestral", {}, {}),
    "DPMSolverMultistepScheduler": ("dpmpp-2m", {}, {}),
    "EulerDiscreteScheduler": ("euler", {}, {}),
    "EulerAncestralDiscreteScheduler": ("ancestral", {}, {}),
    "HeunDiscreteScheduler": ("heun", {}, {}),
    "LMSDiscreteScheduler": ("euler", {}, {"order": 1}),
    "UniPCMultistepScheduler": (
        "euler",
        {"solver_order": 1, "disable_corrector": list(range(9)), "final_sigmas_type": "sigma_min"},
        {},
    ),
    "EDMDPMSolverMultistepScheduler": ("dpmpp-2m", {"sigma_max": 40.0}, {}),
    "EDMEulerScheduler": ("euler", {"sigma_max": 40.0}, {}),
}
UNKNOWN = {  # what diffusers does not define
    ("EulerAncestralDiscreteScheduler", "sample"),
    ("HeunDiscreteScheduler", "sample"),
    ("PNDMScheduler", "sample"),
    ("EDMDPMSolverMultistepScheduler", "sample"),
    ("EDMEulerScheduler", "sample"),
}


def their_samples(
    scheduler: Any, x: Tensor, noise: torch.Generator, since: int = 0, **how: Any
) -> Tensor:
    """The steps of diffusers' own sampler, from one on."""
    network = unet()
    if "generator" in scheduler.step.__code__.co_varnames:
        how["generator"] = noise
    with torch.inference_mode():
        for t in scheduler.timesteps[since:]:
            out = network(scheduler.scale_model_input(x, t), t).sample
            x = scheduler.step(out, t, x, **how).prev_sample
    return x


def assert_same_samples(
    folder: Path, scheduler: Any, sampler: str = "euler", since: int = 0, **how: Any
) -> None:
    """The pipeline's own sampler and ours, on the same noise, at the same levels."""
    model = load_pipeline(save(folder / "p", scheduler))
    scheduler.set_timesteps(8)
    if hasattr(scheduler, "sigmas"):
        sigmas = scheduler.sigmas.unique_consecutive()[since:]  # Heun names levels between twice
    else:
        levels = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()
        sigmas = torch.cat([levels[scheduler.timesteps], torch.zeros(1)])
    noise = torch.Generator().manual_seed(3)
    seeded, start = SeededNoise([3]), torch.randn(1, *SHAPE, generator=noise)
    scales = torch.ones_like(sigmas)
    if float(scheduler.init_noise_sigma) == 1:  # unit variance in place of clean image + noise
        scales = (1 + sigmas**2).sqrt()
    x = start * sigmas[0]
    theirs = their_samples(scheduler, x / scales[0], noise, since, **how)
    seeded.draw(SHAPE)
    with torch.inference_mode():
        *_, step = SAMPLERS[sampler](model.denoiser(), x, sigmas, seeded)
    torch.testing.assert_close(step.x / scales[-1], theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("kind", "predicts"), sorted(set(product(STEPS, PREDICTS)) - UNKNOWN))
def test_our_sampler_is_the_schedulers_own(tmp_path: Path, kind: str, predicts: str) -> None:
    sampler, choices, how = STEPS[kind]
    if "EDM" not in kind and kind != "UniPCMultistepScheduler":
        choices = choices | {"timestep_spacing": "trailing"}  # whole steps
    scheduler = getattr(diffusers, kind)(
        num_train_timesteps=TRAIN, prediction_type=predicts, **choices
    )
    assert_same_samples(tmp_path, scheduler, sampler, **how)


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    "choices",
    [
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
        {"final_sigmas_type": "sigma_min", "timestep_spacing": "trailing"},
        {"timestep_type": "continuous"},
        {"timestep_type": "continuous", "use_karras_sigmas": True, "sigma_max": 60.0},
    ],
)
def test_choices_of_euler_change_its_levels_or_the_time_it_tells(
    tmp_path: Path, choices: dict[str, Any], predicts: str
) -> None:
    """With continuous time and v_prediction the network is told ln(sigma) / 4."""
    settings: dict[str, Any] = {"timestep_spacing": "linspace", **choices}
    if predicts == "epsilon" and "timestep_type" in choices:
        settings |= {"timestep_spacing": "trailing", "use_karras_sigmas": False}
    scheduler = diffusers.EulerDiscreteScheduler(1000, prediction_type=predicts, **settings)
    assert_same_samples(tmp_path, scheduler)


@pytest.mark.parametrize(
    "kind",
    [
        "DDPMScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
    ],
)
def test_whatever_stands_for_pure_noise_is_no_level(tmp_path: Path, kind: str) -> None:
    """Some schedulers give a last step of zero SNR a level, below that of the step before."""
    settings = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    scheduler = getattr(diffusers, kind)(**settings, timestep_spacing="trailing")
    model = load_pipeline(save(tmp_path / "a", scheduler))
    reference = load_pipeline(save(tmp_path / "b", diffusers.DDIMScheduler(**settings)))
    assert model.levels == reference.levels
    x, sigma = torch.randn(2, *SHAPE), torch.tensor([0.3, 4.0])
    ours, expected = model.denoiser()(x, sigma), reference.denoiser()(x, sigma)
    torch.testing.assert_close(ours.clamp(-1, 1), expected)
    if kind == "EulerDiscreteScheduler":
        assert_same_samples(tmp_path, scheduler, since=1)


def test_a_network_of_levels_knows_those_of_its_scheduler(tmp_path: Path) -> None:
    told = {"timestep_type": "continuous", "prediction_type": "v_prediction"}
    free = diffusers.EulerDiscreteScheduler(TRAIN, **told)
    low, high = load_pipeline(save(tmp_path / "a", free)).levels
    assert (low, high) == pytest.approx((float(free.sigmas[-2]), float(free.sigmas[0])))
    named = diffusers.EulerDiscreteScheduler(TRAIN, **told, sigma_min=0.02, sigma_max=700.0)
    assert load_pipeline(save(tmp_path / "b", named)).levels == (0.02, 700.0)


@pytest.mark.parametrize(("kind", "predicts"), sorted(set(product(DISCRETE, PREDICTS)) - UNKNOWN))
def test_schedulers_of_one_process_make_one_denoiser(
    tmp_path: Path, kind: str, predicts: str
) -> None:
    settings = {"beta_schedule": "scaled_linear", "beta_start": 0.001, "beta_end": 0.02}
    settings |= {"prediction_type": predicts}
    reference = load_pipeline(
        save(tmp_path / "a", diffusers.DDIMScheduler(**settings, clip_sample=False))
    )
    model = load_pipeline(save(tmp_path / "b", getattr(diffusers, kind)(**settings)))
    x, sigma = torch.randn(2, *SHAPE), torch.tensor([0.3, 4.0])
    clipped = model.network.clip is not None
    expected = reference.denoiser()(x, sigma)
    torch.testing.assert_close(
        model.denoiser()(x, sigma), expected.clamp(-1, 1) if clipped else expected
    )
    assert clipped == (kind == "DDPMScheduler" or kind == "DDIMScheduler")


def test_levels_fall_on_their_steps_and_between() -> None:
    scheduler = diffusers.DDPMScheduler()
    denoiser = Discrete(nn.Identity(), scheduler.alphas_cumprod)
    sigmas = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()
    whole = torch.arange(1000.0)
    torch.testing.assert_close(denoiser.steps(sigmas), whole, rtol=0, atol=2e-3)
    between = denoiser.steps((sigmas[10:20] * sigmas[11:21]).sqrt())
    torch.testing.assert_close(between, whole[10:20] + 0.5, rtol=0, atol=2e-3)
    assert denoiser.steps(torch.tensor([1e-5, 1e5])).tolist() == [0, 999]
    tabled = Discrete(nn.Identity(), scheduler.alphas_cumprod, whole=True)
    assert tabled.steps(torch.tensor([0.5])).item() % 1 == 0


# Every figure on a model of one's own


def blobs(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)


def test_a_memorizing_model_is_caught_and_its_images_come_back() -> None:
    """The ideal denoiser copies: every verdict must say so."""
    train, heldout = blobs(30, 0), blobs(120, 1)
    images = torch.from_numpy(ambient.images.corpus.to_unit(train))
    model = Model(ideal(images), SHAPE, "memory").beside(train, heldout)
    report = ambient.evaluate(model, 100, features="pixels")
    assert (report.n_samples, report.step, report.checkpoint_sha256) == (100, None, None)
    assert report.copies.rate == 1
    assert report.copies.ratio.rated.heldout_rate < 0.1
    low = ambient.noise_level_curves(model, images=30, noises=2, returns=6).levels[0]
    assert (low.return_train, low.return_heldout, low.train_density) == (1, 0, None)
    assert low.loss_train < 1e-6 < low.loss_heldout


def test_only_levels_that_a_model_knows_are_asked() -> None:
    asked: list[float] = []
    truth = ideal(torch.from_numpy(ambient.images.corpus.to_unit(blobs(8, 0))))

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        asked.extend(sigma.tolist())
        return truth(x, sigma)

    model = Model(denoiser, SHAPE, levels=(0.05, 9.0)).beside(blobs(8, 0), blobs(8, 1))
    ambient.noise_level_curves(model, images=4, noises=1, returns=2)
    assert min(asked) >= 0.05 * (1 - 1e-6)
    assert max(asked) <= 9.0 * (1 + 1e-6)


class Net(nn.Module):
    """A small module that forgets half of everything while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dropout = nn.Conv2d(3, 3, 1), nn.Dropout(0.5)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.dropout(self.conv(x))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.float32])
def test_modules_of_any_precision_are_asked_in_float32_and_evaluation(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    net, x = Net(), torch.rand(2, *SHAPE)
    expected = net.eval()(x, torch.ones(2))
    given = net.to(kind).train()
    found = Model(given, SHAPE).denoiser()(x, torch.ones(2))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    assert given.training and given.conv.weight.dtype == kind  # the owner's is left alone


MEMORY = ideal(torch.zeros(1, *SHAPE))
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"levels": (40, 0.01)}, "knows the levels (40, 0.01); expected the lowest noise level"),
    ({"levels": (float("nan"), 3)}, "knows the levels (nan, 3)"),
    ({"shape": (8, 8, 3)}, "makes images of (8, 8, 3); expected (c, h, w)"),
    ({"shape": (3, 256, 256)}, "sides from 8 to 128 pixels"),
    ({"network": None}, "is a NoneType; expected denoiser(x, sigma)"),
    ({"network": lambda x, sigma: x[:, :1]}, "answered (2, 1, 8, 8) to images (2, 3, 8, 8)"),
    ({"network": lambda x, sigma: x / 0}, "NaN or infinity"),
    ({"network": lambda x, sigma: x.half() @ x}, "failed on images (2, 3, 8, 8) in float32"),
    ({"step": 3}, "has no stored steps"),
    ({"train": np.zeros((5, 8, 8, 1), np.uint8)}, "train: images are (5, 8, 8, 1); 'model' makes"),
    ({"train": np.full((5, 3, 8, 8), np.nan)}, "train: images: 5 of 5 hold NaN"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_what_cannot_be_judged_is_one_line(changes: dict[str, Any], words: str) -> None:
    given = {"network": MEMORY, "shape": SHAPE, "train": blobs(5, 0), "heldout": None, "step": None}
    train, heldout, step = ((given | changes).pop(k) for k in ("train", "heldout", "step"))
    asked = {k: v for k, v in (given | changes).items() if k not in ("train", "heldout", "step")}
    with pytest.raises(InputError) as caught:
        model = Model(**asked).beside(train, heldout)
        model.denoiser(step)(torch.zeros(2, *SHAPE), torch.ones(2))
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


# From the command line


def test_commands_run_on_a_pipeline(
    tmp_path: Path, folder: Path, others: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = ["--train", str(pictures(tmp_path / "t.npz", blobs(110, 0)))]
    images += ["--heldout", str(pictures(tmp_path / "h.npz", others))]
    fast = ["--sampler", "euler", "--steps", "2"]
    out = tmp_path / "made.npz"
    assert main(["sample", str(folder), "--n", "3", "--out", str(out), *fast]) == 0
    made = np.load(out)["images"]
    assert made.shape == (3, 8, 8, 3)
    target = tmp_path / "report.json"
    argv = ["evaluate", str(folder), *images, "--n", "100", "--features", "pixels", *fast]
    assert main([*argv, "--json", str(target)]) == 0
    report = json.loads(target.read_text())
    assert report["corpus"]["n_train"] == 110
    assert report["calibrated_on"].startswith("training images")
    assert report["copies"]["ratio"]["rate"] is not None
    assert len(report["checkpoint_sha256"]) == 64
    few = partial(curves.noise_level_curves, images=4, noises=1, returns=2)
    monkeypatch.setattr(curves, "noise_level_curves", few)
    target = tmp_path / "curves.json"
    assert main(["curves", str(folder), *images, "--json", str(target)]) == 0
    levels = json.loads(target.read_text())["levels"]
    assert len(levels) == 24
    assert all(0 <= level["return_generated"] <= 1 for level in levels)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["evaluate", "{p}"], "give them with --train"),
        (["evaluate", "{p}", "--train", "{t}", "--store"], "no run folder"),
        (["evaluate", "digits-50-standard", "--train", "{t}"], "knows its images"),
        (["export", "{p}", "--out", "{t}.zip"], "a diffusers pipeline"),
    ],
)
def test_what_a_pipeline_cannot_do_is_one_line(
    tmp_path: Path,
    folder: Path,
    argv: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = pictures(tmp_path / "t.npz", blobs(8, 0))
    assert main([a.format(p=folder, t=train) for a in argv]) == 2
    said = capsys.readouterr().err.strip()
    assert complaint in said
    assert "\n" not in said


# What a folder may hold


def test_old_pipelines_in_one_folder_are_read(tmp_path: Path, folder: Path) -> None:
    for path in [*folder.glob("*/*"), folder / "model_index.json"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    x, sigma = torch.randn(1, *SHAPE), torch.tensor([1.0])
    assert torch.equal(
        load_pipeline(tmp_path).denoiser()(x, sigma), load_pipeline(folder).denoiser()(x, sigma)
    )


def test_a_learned_variance_is_cut_off(tmp_path: Path) -> None:
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range")
    model = load_pipeline(save(tmp_path / "p", scheduler, unet(out_channels=6)))
    assert model.denoiser()(torch.zeros(2, *SHAPE), torch.ones(2)).shape == (2, *SHAPE)


def ddpm(**choices: Any) -> Any:
    return diffusers.DDPMScheduler(**choices)


def told(**levels: Any) -> Any:
    """A scheduler that tells its network the noise level in place of a step."""
    how = {"timestep_type": "continuous", "prediction_type": "v_prediction"}
    return diffusers.EulerDiscreteScheduler(TRAIN, **how, **levels)


NO_SAMPLE = {"num_train_timesteps": TRAIN, "prediction_type": "sample"}
BAD: list[tuple[Any, dict[str, Any], str]] = [  # scheduler, choices of the network, words
    (lambda: ddpm(), {"num_class_embeds": 3}, "conditioned on classes"),
    (lambda: ddpm(thresholding=True), {}, "thresholding is True"),
    (lambda: diffusers.PNDMScheduler(**NO_SAMPLE), {}, "does not define for its PNDMScheduler"),
    (lambda: told(sigma_min=800.0, sigma_max=700.0), {}, "numbers above 0, the first one smaller"),
    (lambda: told(), {"time_embedding_type": "learned", "num_train_timesteps": TRAIN}, "a table"),
    (lambda: ddpm(), {"sample_size": 30}, "cannot make images of its own size, 30x30 pixels"),
    (lambda: ddpm(), {"sample_size": 256}, "sample_size is 256; expected"),
    (lambda: ddpm(), {"in_channels": 4, "out_channels": 4}, "expected (c, h, w) of 1 or 3"),
]


@pytest.mark.parametrize(("scheduler", "choices", "words"), BAD)
def test_a_pipeline_that_cannot_be_sampled_is_refused_at_once(
    scheduler: Any, choices: dict[str, Any], words: str, tmp_path: Path
) -> None:
    deep = {}
    if choices.get("sample_size") == 30:  # halved thrice, it does not come out even
        kinds = {"down_block_types": ("DownBlock2D",) * 3, "up_block_types": ("UpBlock2D",) * 3}
        deep = {"block_out_channels": (8, 8, 8), **kinds}
    with pytest.raises(InputError) as caught:
        load_pipeline(save(tmp_path / "p", scheduler(), unet(**choices, **deep)))
    assert words in str(caught.value)


def other_files(folder: Path, target: Path, how: str) -> Path:
    """The same pipeline with its weights in other files, or under the names of old ones."""
    shutil.copytree(folder, target)
    weights = target / WEIGHTS
    tensors = load_file(weights)
    weights.unlink()
    stem, names = str(weights).removesuffix(".safetensors"), sorted(tensors)
    if how == "fp16":
        halves = {k: v.half() for k, v in tensors.items()}
        Path(f"{stem}.fp16.safetensors").write_bytes(save_tensors(halves))
    elif how == "shards":
        for i in range(2):
            part = {k: tensors[k] for k in names[i::2]}
            Path(f"{stem}-0000{i + 1}-of-00002.safetensors").write_bytes(save_tensors(part))
    else:
        old = {new: old for old, new in OLD.items()}
        for new, name in old.items():
            tensors = {k.replace(f".{new}.", f".{name}."): v for k, v in tensors.items()}
        weights.write_bytes(save_tensors(tensors))
    return target


@pytest.mark.parametrize("how", ["fp16", "shards", "old names"])
def test_weights_are_read_whatever_their_files_are_called(
    how: str, folder: Path, tmp_path: Path
) -> None:
    x, sigma = torch.randn(1, *SHAPE), torch.tensor([1.0])
    expected = load_pipeline(folder).denoiser()(x, sigma)
    path = other_files(folder, tmp_path / "p", how)
    for model in (load_pipeline(path), load_zip(zipped(path, tmp_path / "p.zip"))):
        torch.testing.assert_close(model.denoiser()(x, sigma), expected, rtol=0.02, atol=0.02)


def test_without_diffusers_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    assert main(["sample", str(folder), "--out", "made.png"]) == 2
    assert "pip install -r requirements-models.txt" in capsys.readouterr().err


# Zips


def zipped(folder: Path, target: Path, top: str = "", **others: bytes) -> Path:
    """A folder as a zip, with parts that are changed or added."""
    members = files(folder) | others
    target.write_bytes(packed((top + name, data) for name, data in members.items()))
    return target


def test_a_zip_of_a_pipeline_is_the_pipeline(
    folder: Path, tmp_path: Path, others: np.ndarray
) -> None:
    data = pictures(tmp_path / "train.npz", np.repeat(others, 10, axis=0))
    where = zipped(folder, tmp_path / "ddpm.zip", "some/where/", **{"evil.bin": b"\x80\x04"})
    reports = []
    for model in (folder, where):
        out = tmp_path / "audit.json"
        command = ["audit", "--model", str(model), "--train", str(data), "--n", "20"]
        assert main([*command, "--features", "pixels", "--json", str(out)]) == 0
        reports.append(json.loads(out.read_text()))
    assert reports[0] == reports[1]
    assert reports[0]["generated"]["name"] == "ddpm"
    assert reports[0]["samples"][19]["file"] == "seed 19"
    assert reports[0]["checkpoint_sha256"] == load_pipeline(folder).sha256
    assert main(["audit", "--train", str(data)]) == 2
    both = ["--model", str(folder), "--generated", str(data)]
    assert main(["audit", *both, "--train", str(data)]) == 2


def config_of(folder: Path, part: str, **changes: Any) -> bytes:
    return json.dumps({**json.loads((folder / part).read_text()), **changes}).encode()


SCHEDULER = "scheduler/scheduler_config.json"
HUGE = {"block_out_channels": [16_000] * 2}
HOSTILE: dict[str, tuple[str, dict[str, Any] | bytes, str]] = {
    "too many weights": (UNET, HUGE, "weights and config differ"),
    "too deep": (UNET, {"layers_per_block": 10**6}, "layers_per_block is 1000000; .* up to 16"),
    "no such block": (UNET, {"down_block_types": ["os.system"] * 2}, "cannot be loaded"),
    "too many steps": (SCHEDULER, {"num_train_timesteps": 10**9}, "is .* up to 100000"),
    "markup": (UNET, {"act_fn": "<script>"}, "without markup"),
    "no weights": (WEIGHTS, b"", "not a whole safetensors file"),
    "a header without end": (WEIGHTS, b"\xff" * 8, "not a whole safetensors file"),
    "code": (INDEX, {"unet": ["my_code", "Net"]}, "an unconditional one of pixels"),
    "no such scheduler": (INDEX, {"scheduler": ["diffusers", "S"]}, "expected one of DDPM"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pipeline_is_refused_in_one_line(name: str, folder: Path, tmp_path: Path) -> None:
    part, change, complaint = HOSTILE[name]
    data = change if isinstance(change, bytes) else config_of(folder, part, **change)
    with pytest.raises(InputError, match=complaint) as refused:
        load_zip(zipped(folder, tmp_path / "x.zip", **{part: data}))
    assert "\n" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_only_what_a_pipeline_needs_is_taken_out_of_a_zip(folder: Path, tmp_path: Path) -> None:
    asks = {"quantization_config": {"quant_method": "bitsandbytes"}, "auto_map": {"x": "evil.y"}}
    changed = {UNET: config_of(folder, UNET, **asks)}
    where = zipped(folder, tmp_path / "x.zip", **changed, **{"unet/evil.py": b"raise SystemExit"})
    assert load_zip(where).sha256 == load_pipeline(folder).sha256
    (tmp_path / "out.zip").write_bytes(packed([("../model_index.json", b"{}")]))
    with pytest.raises(InputError, match="would leave its folder"):
        load_zip(tmp_path / "out.zip")
    (tmp_path / "none.zip").write_bytes(packed([("pictures/1.png", b"")]))
    with pytest.raises(InputError, match="has no model_index.json"):
        load_zip(tmp_path / "none.zip")
