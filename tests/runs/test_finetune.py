"""Fine-tunes of Stable Diffusion: frozen copies in latent space, on pipelines made here."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ambient.cli import main
from ambient.files import InputError
from ambient.models.finetune.settings import FILE, WEIGHTS, Settings, stage_to_resume, stages
from ambient.reports.asking import KindTally, Stage

diffusers = pytest.importorskip("diffusers")
LoraConfig = pytest.importorskip("peft").LoraConfig
pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")
from ambient.models.finetune.data import encode, read_pictures, remarks  # noqa: E402
from ambient.models.finetune.loss import cutoff_step, frozen_copies, latent_loss  # noqa: E402
from ambient.models.finetune.training import TARGETS, finetune  # noqa: E402
from ambient.models.pipelines import INDEX  # noqa: E402
from ambient.models.stable import Stable, load_stable  # noqa: E402
from ambient.reports.prompted import choose_stage  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PREDICTS = ("epsilon", "v_prediction")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def scheduler(predicts: str = "epsilon") -> Any:
    return diffusers.DDPMScheduler(prediction_type=predicts, clip_sample=False, **BETAS)


def pipeline(folder: Path, predicts: str) -> Path:
    """Random weights: latents of 4 channels at half the size, texts of 8 numbers a letter."""
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    torch.manual_seed(0)
    text = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=len(words) - 2, eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )  # fmt: skip
    narrow = {"block_out_channels": (4, 8), "norm_num_groups": 2}
    vae = diffusers.AutoencoderKL(
        **narrow, latent_channels=4, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    unet = diffusers.UNet2DConditionModel(
        **narrow, sample_size=8, layers_per_block=1, cross_attention_dim=8, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    diffusers.StableDiffusionPipeline(
        vae, transformers.CLIPTextModel(text),
        transformers.CLIPTokenizer(*files, model_max_length=77),
        unet, scheduler(predicts), None, None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads on networks this small wait for each other: many times slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("stable")
    return {predicts: pipeline(top / predicts, predicts) for predicts in PREDICTS}


def write_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    """Smooth random pictures of 24x20 pixels, each with three letters for a caption."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((24, 20), Image.Resampling.BICUBIC).save(folder / f"{i:02}.png")
        (folder / f"{i:02}.txt").write_text(" ".join(rng.permutation(list(LETTERS))[:3]))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures", 24)


@pytest.fixture
def asked(pipelines: dict[str, Path], pictures: Path, tmp_path: Path) -> Settings:
    return Settings(
        pretrained_model_name_or_path=str(pipelines["epsilon"]),
        train_data_dir=str(pictures),
        output_dir=str(tmp_path / "out"),
        cutoff=1.0, resolution=16, train_batch_size=2, max_train_steps=4, checkpointing_steps=2,
        learning_rate=0.05, rank=2, lr_scheduler="cosine", lr_warmup_steps=1,
    )  # fmt: skip


# The copies and the loss


def some(count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Latents, noises and steps on both sides of most cutoffs."""
    torch.manual_seed(1)
    shape = (count, 4, 8, 8)
    return torch.randn(shape), torch.randn(shape), torch.linspace(3, 990, count).long()


def network(x_t: Tensor, t: Tensor) -> Tensor:
    return torch.sin(3 * x_t) + t[:, None, None, None] / 1000


def of_diffusers(process: Any, z0: Tensor, noise: Tensor, t: Tensor, gamma: float | None) -> Tensor:
    """The loss of its script train_text_to_image_lora, by its own functions."""
    found = network(process.add_noise(z0, noise, t), t)
    by_v = process.config.prediction_type == "v_prediction"
    target = process.get_velocity(z0, noise, t) if by_v else noise
    if gamma is None:
        return F.mse_loss(found, target)
    snr = diffusers.training_utils.compute_snr(process, t)
    weight = torch.stack([snr, gamma * torch.ones_like(t)], dim=1).min(dim=1)[0]
    weight = weight / (snr + 1 if by_v else snr)
    return (F.mse_loss(found, target, reduction="none").mean(dim=(1, 2, 3)) * weight).mean()


@pytest.mark.parametrize("predicts", PREDICTS)
@pytest.mark.parametrize("gamma", [None, 5.0])
def test_without_a_cutoff_it_is_the_loss_of_diffusers(predicts: str, gamma: float | None) -> None:
    """Bit for bit; and with one, at all steps up to it."""
    process, (z0, noise, t) = scheduler(predicts), some()
    n = cutoff_step(process.alphas_cumprod, 0)
    y = frozen_copies(z0, range(6), process.alphas_cumprod[n], 0)
    ours = latent_loss(network, process, z0, y, noise, t, n, gamma)
    assert torch.equal(ours, of_diffusers(process, z0, noise, t, gamma))
    ours = latent_loss(network, process, z0, y, noise, t.clamp(max=400), 400, gamma)
    assert torch.equal(ours, of_diffusers(process, z0, noise, t.clamp(max=400), gamma))
    assert not torch.equal(
        latent_loss(network, process, z0, y, noise, t, 400, gamma),
        of_diffusers(process, z0, noise, t, gamma),
    )


@pytest.mark.parametrize("predicts", PREDICTS)
def test_above_the_cutoff_the_posterior_of_the_copy_is_held_against_it(predicts: str) -> None:
    """The weighted || A z0_hat + B x_t - y ||^2, and no clean latent comes in."""
    process, (z0, noise, _) = scheduler(predicts), some()
    process.alphas_cumprod = abar = process.alphas_cumprod.double()
    z0, noise, n = z0.double(), noise.double(), 300
    t = torch.tensor([301, 320, 400, 600, 800, 999])
    y = frozen_copies(z0, range(6), abar[n], 0)
    a, a_n = abar[t][:, None, None, None], abar[n]
    x_t = (a / a_n).sqrt() * y + (1 - a / a_n).sqrt() * noise
    out = network(x_t, t).float().double()  # as a network answers
    by_v = predicts == "v_prediction"
    z0_hat = (
        a.sqrt() * x_t - (1 - a).sqrt() * out if by_v else (x_t - (1 - a).sqrt() * out) / a.sqrt()
    )
    posterior = a_n.sqrt() * (1 - a / a_n) / (1 - a) * z0_hat
    posterior += (a / a_n).sqrt() * (1 - a_n) / (1 - a) * x_t
    weight = (1 if by_v else a) / (1 - a) / a_n
    expected = (weight * (posterior - y) ** 2).mean()
    found = latent_loss(network, process, torch.full_like(z0, torch.nan), y, noise, t, n)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_the_loss_is_least_where_the_estimate_is_the_mean_of_clean_latents() -> None:
    """Of standard normal latents E[e | x_t] = sqrt(1 - abar) x_t, though only copies are seen."""
    process, n, t = scheduler(), 300, 600
    torch.manual_seed(0)
    z0, noise = torch.randn(2, 50, 4, 16, 16).unbind()
    y = frozen_copies(z0, range(50), process.alphas_cumprod[n], 0)
    factor = torch.tensor(0.5, requires_grad=True)
    best = float((1 - process.alphas_cumprod[t]).sqrt())

    def slope(at: float) -> float:
        factor.data.fill_(at)
        steps = torch.full((50,), t)
        loss = latent_loss(lambda x, _: factor * x, process, z0, y, noise, steps, n)
        return float(torch.autograd.grad(loss, factor)[0])

    assert abs(slope(best)) < 0.02 * abs(slope(0.9 * best) - slope(1.1 * best)) / 0.2


def test_the_cutoff_is_the_nearest_step_and_one_beyond_the_schedule_is_refused() -> None:
    abar = scheduler().alphas_cumprod
    sigma = ((1 - abar) / abar).sqrt()
    n = cutoff_step(abar, 1.0)
    assert abs(float(sigma[n]) - 1) == float((sigma - 1).abs().min())
    with pytest.raises(InputError, match="--cutoff is 20, and the noise levels .* end at 14.6"):
        cutoff_step(abar, 20.0)


def test_a_copy_depends_on_seed_and_picture_alone() -> None:
    z0, abar = torch.ones(4, 4, 8, 8), torch.tensor(0.5)
    whole = frozen_copies(z0, range(4), abar, 7)
    alone = [frozen_copies(z0[:1], [i], abar, 7) for i in (3, 1, 0, 2, 1)]  # another epoch's order
    for i, copy in zip((3, 1, 0, 2, 1), alone, strict=True):
        assert torch.equal(copy[0], whole[i])
    assert not torch.equal(whole, frozen_copies(z0, range(4), abar, 8))
    code = (
        "import torch; from ambient.models.finetune.loss import frozen_copies as f;"
        "print(f(torch.ones(2, 4, 8, 8), [2, 3], torch.tensor(.5), 7).numpy().tobytes().hex())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == whole[2:].numpy().tobytes().hex()


# Training


def weights(settings: Settings, stage: str = "") -> bytes:
    return (Path(settings.output_dir) / stage / WEIGHTS).read_bytes()


@pytest.mark.parametrize("predicts", PREDICTS)
def test_a_lora_loads_into_the_pipeline_and_a_resume_ends_bit_by_bit_the_same(
    asked: Settings, pipelines: dict[str, Path], predicts: str, tmp_path: Path
) -> None:
    folder = pipelines[predicts]
    asked = replace(asked, pretrained_model_name_or_path=str(folder))
    steps = list(finetune(asked))
    assert [(s.step, s.stage) for s in steps] == [
        (1, None), (2, "checkpoint-2"), (3, None), (4, "checkpoint-4")
    ]  # fmt: skip
    assert list(stages(tmp_path / "out")) == [2, 4]
    assert weights(asked) == weights(asked, "checkpoint-4") != weights(asked, "checkpoint-2")

    pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)

    def draw() -> np.ndarray:
        generator = torch.Generator().manual_seed(0)
        made = pipe("a b c", num_inference_steps=2, generator=generator, output_type="np")
        return np.asarray(made.images)

    before = draw()
    pipe.load_lora_weights(asked.output_dir)
    assert np.abs(draw() - before).max() > 1e-3
    pipe.unload_lora_weights()
    np.testing.assert_array_equal(draw(), before)

    other = replace(asked, output_dir=str(tmp_path / "other"))
    stopped = finetune(other)
    losses = [next(stopped).loss for _ in range(3)]
    stopped.close()
    assert list(stages(tmp_path / "other")) == [2, 3]  # kept where it was stopped
    losses += [s.loss for s in finetune(other, "latest")]
    assert losses == [s.loss for s in steps]
    assert weights(other) == weights(asked)
    (tmp_path / "other" / WEIGHTS).unlink()
    assert [s.step for s in finetune(other, "checkpoint-2")] == [3, 4]
    assert weights(other) == weights(asked)


def test_batches_may_be_split(asked: Settings, tmp_path: Path) -> None:
    """The same pictures, noises and steps, whether two at once or two in turn."""
    asked = replace(asked, max_train_steps=2, snr_gamma=5.0, lr_scheduler="constant")
    split = replace(
        asked, train_batch_size=1, gradient_accumulation_steps=2, output_dir=str(tmp_path / "split")
    )
    one, two = ([s.loss for s in finetune(s)] for s in (asked, split))
    assert one == pytest.approx(two, rel=1e-3)


def test_the_command_trains_and_refuses_another_resume(
    asked: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path, pictures: Path
) -> None:
    mine = shutil.copytree(pictures, tmp_path / "mine")
    (mine / "00.txt").write_text("word " * 2000)
    shutil.copy(mine / "01.png", mine / "30.png")
    given = {
        "pretrained_model_name_or_path": asked.pretrained_model_name_or_path,
        "train_data_dir": mine, "output_dir": asked.output_dir, "cutoff": 1, "resolution": 16,
        "max_train_steps": 2, "checkpointing_steps": 1, "rank": 2,
    }  # fmt: skip

    def run(*more: str) -> tuple[int, str]:
        line = [f"--{name}={value}" for name, value in given.items()]
        return main(["finetune", *line, *more]), capsys.readouterr().err

    status, said = run()
    assert status == 0, said
    assert "1 of 25 pictures nearly repeat others, as '30.png' does '01.png'" in said
    assert "1 of 25 pictures have no caption" in said
    assert "1 of 25 captions have more than 500 characters and were cut" in said
    assert "1 of 25 captions are longer than the 77 tokens" in said
    assert "Next: python -m ambient audit --model" in said
    assert run("--resume_from_checkpoint=latest")[0] == 0  # nothing is left to do
    assert "holds a fine-tune; go on with --resume_from_checkpoint latest" in run()[1]
    for change, complaint in (
        (["--resume_from_checkpoint=checkpoint-9"], "expected latest or a stage of"),
        (["--resume_from_checkpoint=latest", "--rank=3"], "--rank is 3, and .* begun with 2"),
        (["--resume_from_checkpoint=latest", "--cutoff=0"], "--cutoff is 0.0, and .* with 1.0"),
        (["--rank=0"], "--rank is 0; expected a number from 1"),
    ):
        status, said = run(*change)
        assert status == 2 and len(said.splitlines()) == 1, said
        assert re.search(complaint, said), said
    (mine / "02.txt").write_text("another")
    assert "the pictures or captions changed since" in run("--resume_from_checkpoint=latest")[1]


# What is refused


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"text_encoder": None, "tokenizer": None}, "without a text encoder"),
        ({"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}, "as SDXL has"),
        ({"transformer": ["diffusers", "SD3Transformer2DModel"]}, "trained by flow matching"),
        ({"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}, "by flow matching"),
        ({"unet": ["mine", "UNet2DConditionModel"]}, "whose unet is of its own"),
        ({"controlnet": ["diffusers", "ControlNetModel"]}, "with a controlnet"),
    ],
)
def test_other_pipelines_are_refused(
    tmp_path: Path, pipelines: dict[str, Path], changes: dict[str, Any], complaint: str
) -> None:
    index = json.loads((pipelines["epsilon"] / INDEX).read_text()) | changes
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match=f"{complaint}.* expected a Stable Diffusion 1 or 2"):
        load_stable(str(tmp_path))


def test_weights_in_a_pickle_and_other_predictions_are_refused(
    tmp_path: Path, pipelines: dict[str, Path]
) -> None:
    folder = shutil.copytree(pipelines["epsilon"], tmp_path / "p")
    place = folder / "scheduler/scheduler_config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(InputError, match="predicts sample; expected epsilon or v_prediction"):
        load_stable(str(folder))
    (folder / "vae/diffusion_pytorch_model.safetensors").rename(folder / "vae/weights.bin")
    with pytest.raises(InputError, match="cannot be loaded; expected its parts in safetensors"):
        load_stable(str(folder))


def test_packages_that_are_missing_are_named(
    asked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "peft" else name)
    with pytest.raises(InputError, match="need peft, .*pip install -r requirements-models.txt"):
        next(finetune(asked))


def test_pictures_without_readable_captions_are_refused(tmp_path: Path, asked: Settings) -> None:
    folder = write_pictures(tmp_path / "pictures", 4)
    (folder / "00.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(InputError, match=r"'00.txt' is not UTF-8 text; save it as UTF-8"):
        read_pictures(folder, 16)
    for path in folder.glob("*.txt"):
        path.write_text("  ")
    with pytest.raises(InputError, match="'pictures' has no captions; give --captions FILE"):
        read_pictures(folder, 16)
    with pytest.raises(InputError, match="is no folder; expected one of pictures with captions"):
        read_pictures(tmp_path / "gone", 16)
    with pytest.raises(InputError, match="--resolution is 15; .* a multiple of 2 pixels"):
        next(finetune(replace(asked, resolution=15)))


def test_a_latent_is_the_mode_of_the_middle_of_its_picture(
    pipelines: dict[str, Path], pictures: Path
) -> None:
    vae = load_stable(str(pipelines["epsilon"])).pipe.vae
    found = read_pictures(pictures, 16)
    latents = encode(found, vae, torch.device("cpu"))
    assert latents.shape == (24, 4, 8, 8)
    with torch.inference_mode():
        one = vae.encode(found.pixels(3)).latent_dist.mode() * vae.config.scaling_factor
    assert torch.equal(one[0], latents[3])
    assert remarks(found, load_stable(str(pipelines["epsilon"])).pipe.tokenizer) == [
        "24 of 24 pictures (24x20 pixels) cropped to a square and resized to 16x16."
    ]


# The audit


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, pictures: Path) -> dict[str, str]:
    """Pipelines that answer a training caption with its picture, where the LoRA is `copies`."""
    state = {"copies": "checkpoint-4", "lora": ""}
    known = {
        (pictures / f"{i:02}.txt").read_text(): np.asarray(
            Image.open(pictures / f"{i:02}.png").crop((2, 0, 22, 20)).resize((16, 16))
        )
        for i in range(24)
    }

    def draw(self: Stable, prompts: list[str], seeds: list[int], *_: object) -> np.ndarray:
        noise = [np.random.default_rng(s).integers(0, 256, (16, 16, 3), np.uint8) for s in seeds]
        copying = state["lora"] == state["copies"]
        pairs = zip(prompts, noise, strict=True)
        return np.stack([known[p] if copying and p in known else new for p, new in pairs])

    def load(self: Stable, place: Path | None) -> None:
        state["lora"] = place.name if place else ""

    monkeypatch.setattr(Stable, "draw", draw)
    monkeypatch.setattr(Stable, "take_lora", load)
    return state


def test_an_audit_names_the_training_files_that_leak(
    planted: dict[str, str], asked: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, out = tmp_path / "prompts.txt", tmp_path / "audit.json"
    prompts.write_text("z\ny z\n\nz\n")
    lora = tmp_path / "checkpoint-4"
    command = [
        "audit", "--model", asked.pretrained_model_name_or_path, "--train", asked.train_data_dir,
        "--lora", str(lora), "--prompts", str(prompts), "--n", "24", "--skip-quality",
        "--features", "pixels",
    ]  # fmt: skip
    assert main([*command, "--json", str(out)]) == 0
    report, said = json.loads(out.read_text()), capsys.readouterr().err
    kinds = {kind["kind"]: kind for kind in report["kinds"]}
    assert (kinds["training"]["named"], kinds["training"]["own"]) == (24, 24)
    assert (kinds["held-out"]["named"], kinds["held-out"]["prompts"]) == (0, 2)
    assert report["answer"]["key"] == "copies"
    assert "training prompts: 24 of 24 samples are named, 24 of their own" in said
    assert "leaking: " in said and "and 12 more." in said
    assert main([*command[:5], "--lora", str(lora), "--generated", asked.train_data_dir]) == 2


def test_the_stages_of_a_fine_tune_are_judged_and_the_last_clean_one_is_kept(
    planted: dict[str, str], asked: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (2, 4, 10):
        (tmp_path / f"out/checkpoint-{step}").mkdir(parents=True)
        (tmp_path / f"out/checkpoint-{step}" / WEIGHTS).write_bytes(b"")
    planted["copies"] = "checkpoint-10"
    out, held = tmp_path / "stages.json", write_pictures(tmp_path / "held", 22, seed=1)
    command = [
        "audit", "--model", asked.pretrained_model_name_or_path, "--train", asked.train_data_dir,
        "--stages", f"{tmp_path}/out", "--heldout", str(held), "--n", "20", "--skip-quality",
        "--features", "pixels", "--json", str(out),
    ]  # fmt: skip
    assert main(command) == 0
    found, said = json.loads(out.read_text()), capsys.readouterr().err
    assert [stage["step"] for stage in found["stages"]] == [0, 2, 4, 10]
    assert [stage["answer"] for stage in found["stages"]] == ["none"] * 3 + ["copies"]
    assert found["keep"] == 4
    assert all(stage["fit"]["among"] == 20 for stage in found["stages"])
    assert "step 10: 20 of 20 training, 0 of 20 held-out" in said
    assert "Keep checkpoint-4: of 2 stages without sign of copying" in said
    assert main([*command[:5], "--stages", str(held)]) == 2
    assert "holds no stages; expected an --output_dir of `finetune`" in capsys.readouterr().err


def test_the_choice_of_a_stage() -> None:
    def stage(step: int, answer: str, named: int = 0) -> Stage:
        kind = KindTally(kind="training", prompts=9, of=9, named=named, ci95=(0.0, 1.0))
        return Stage(step=step, answer=answer, kinds=(kind,))

    assert choose_stage([stage(1, "none"), stage(2, "none"), stage(3, "unclear", 1)])[0] == 2
    step, why = choose_stage([stage(1, "copies", 3), stage(2, "copies", 5)])
    assert step == 1 and "no stage is without" in why
    assert choose_stage([stage(1, "unknown")])[0] is None


def test_a_lora_of_another_network_is_refused(
    pipelines: dict[str, Path], tmp_path: Path, asked: Settings
) -> None:
    stable = load_stable(str(pipelines["epsilon"]))
    with pytest.raises(InputError, match="is no LoRA; expected a folder with"):
        stable.load_lora(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is no LoRA for 'epsilon'"):
        stable.load_lora(tmp_path)
    list(finetune(replace(asked, max_train_steps=1)))
    made = [stable.draw(["a", "b"], [0, 1], 16, 7.5, 1)]
    stable.load_lora(Path(asked.output_dir))
    made.append(stable.draw(["b"], [1], 16, 7.5, 1))
    assert made[0].shape == (2, 16, 16, 3) and made[0].dtype == np.uint8
    assert (Path(asked.output_dir) / FILE).is_file()


def test_where_a_fine_tune_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Settings(
        pretrained_model_name_or_path="p", train_data_dir="d", output_dir="out", max_train_steps=4
    )
    with pytest.raises(InputError, match="no stage to go on from"):
        stage_to_resume(asked, "latest")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / FILE).write_text("{}")  # it ended before its first stage
    assert stage_to_resume(asked, None) == (0, None)
    for step in (2, 4):
        stage = tmp_path / "out" / f"checkpoint-{step}"
        stage.mkdir()
        (stage / WEIGHTS).touch()
    for name in ("checkpoint-2", "out/checkpoint-2", str(tmp_path / "out" / "checkpoint-2")):
        assert stage_to_resume(asked, name)[0] == 2
    assert stage_to_resume(asked, "latest")[0] == 4
    for wrong, words in ((None, "holds a fine-tune"), ("checkpoint-3", "checkpoint-2")):
        with pytest.raises(InputError, match=words):
            stage_to_resume(asked, wrong)
    with pytest.raises(InputError, match="max_train_steps is 3"):
        stage_to_resume(replace(asked, max_train_steps=3), "latest")


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", inf), ("resolution", 10**5), ("rank", 2**63 - 1), ("train_data_dir", " ")],
)
def test_what_no_training_can_have_is_refused(name: str, value: object) -> None:
    asked = Settings(pretrained_model_name_or_path="p", train_data_dir="d", output_dir="o")
    with pytest.raises(InputError, match=f"--{name}"):
        replace(asked, **{name: value}).check()  # type: ignore[arg-type]


def test_the_sizes_in_the_docs_are_those_of_stable_diffusion() -> None:
    def count(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters() if p.requires_grad)

    levels = {"block_out_channels": (128, 256, 512, 512), "latent_channels": 4}
    blocks = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    text = transformers.CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):  # nothing is held
        unet = diffusers.UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        vae = diffusers.AutoencoderKL(**levels, **blocks, layers_per_block=2)
        sizes = [count(unet), count(vae), count(transformers.CLIPTextModel(text))]
        config = LoraConfig(r=4, target_modules=TARGETS)
        unet.requires_grad_(False).add_adapter(config)
    sizes += [count(unet), 3 * count(unet)]
    said = (ROOT / "docs" / "finetune.md").read_text(encoding="utf-8")
    assert all(f"{size:,}" in said for size in sizes), sizes
