"""Train: a card is one click, a run is watched, its end is a sentence, and others keep off it."""

import shlex
import shutil
from pathlib import Path

import pytest
from msgspec import structs
from streamlit.testing.v1 import AppTest

from ambient.cli import main
from ambient.cli import train as commands
from ambient.config import FIELDS, PEAK_RATES
from ambient.diffusion import hardware
from ambient.diffusion.levels import cutoff_report
from ambient.images import captions as reading
from ambient.images.corpus import Corpus
from ambient.reports.comparison import changed
from ambient.reports.keeping import judge
from ambient.runs import queue
from ambient.runs.folder import BUNDLED_RUNS, OWN, STOP_FILE, Run, list_runs, open_run
from ambient.runs.job import Judging, pulse
from tests.files import pictures
from tests.pages.driver import press, ran, text, visit
from ui import visitor, words
from ui.train import cards, watch

PAIR = "Pair"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder, and a worker that starts nothing."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("AMBIENT_RUNS", str(folder))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda run: None)
    monkeypatch.setattr(hardware, "_bfloat16_cost", lambda: 0.5)
    return folder


@pytest.fixture
def finished(runs: Path, tiny_run: Run) -> Run:
    """A finished run of nobody in particular."""
    shutil.copytree(tiny_run.path, runs / tiny_run.name)
    return open_run(runs / tiny_run.name)


def _form(**values: str) -> AppTest:
    return visit("train", advanced="true", **{f"train-{k}": v for k, v in values.items()})


def _labels(app: AppTest) -> set[str]:
    return {b.label for b in app.button}


def _upload(app: AppTest, files: list[tuple[str, bytes]]) -> AppTest:
    (place,) = app.file_uploader
    place.set_value([(*f, "image/png") for f in files])
    return ran(app.run())


@pytest.mark.parametrize("name", ["digits-copy", "emoji-new", "kanji-ambient"])
def test_a_card_trains_what_the_command_trains(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(commands, "_train", lambda *_: None)
    assert main(["train", "--preset", name, "--out", str(tmp_path / "run")]) == 0
    corpus, kind = name.split("-")
    app = press(visit("train", kind=cards.KINDS[kind][0]), f"go-{corpus}")
    trained = list_runs(runs)
    assert app.query_params["mine"] in [run.name for run in trained]
    assert open_run(tmp_path / "run").config in [run.config for run in trained]
    assert len(trained) == 1 + (kind == "ambient")
    assert {run.config.dtype for run in trained} == {"bfloat16"}


def test_the_form_offers_what_config_marks_and_follows_the_network(runs: Path) -> None:
    app = _form(network="concat", lr="0.002")
    asked = {w.key for w in [*app.number_input, *app.selectbox, *app.toggle] if w.key}
    assert {f"train-{n}" for n, f in FIELDS.items() if f.offered} <= asked
    assert app.number_input(key="train-lr").value == 0.002
    app.selectbox(key="train-network").set_value("bands")
    assert ran(app.run()).number_input(key="train-lr").value == PEAK_RATES["bands"]
    app.toggle(key="train-augment").set_value(True)
    press(app, "go-form")
    (run,) = list_runs(runs)
    assert run.config.augment and run.config.network == "bands"


def test_a_run_waits_its_turn_is_stopped_and_goes_on(runs: Path) -> None:
    first = press(visit("train"), "go-digits")
    (run,) = list_runs(runs)
    assert run.status == "queued" and "It starts now." in text(first)
    assert "It starts in about" in text(press(visit("train"), "go-digits"))
    press(first, f"stop-{run.name}")
    assert run.status == "paused"
    app = visit("train", mine=run.name)
    assert "Copying usually begins near step" in text(app) and "Go on" in _labels(app)


def test_a_finished_run_goes_on_or_continues_with_other_settings(finished: Run, runs: Path) -> None:
    steps, start = finished.config.steps, f"{finished.name}@{finished.last_step}"
    app = press(visit("train", mine=finished.name), f"fork-{finished.name}")
    assert f"Continue {finished.name} from step {finished.last_step}" in text(app)
    assert app.selectbox(key="train-start").value == start
    app.number_input(key="train-width").set_value(finished.config.width + 16)
    assert "of another kind, width or size" in text(ran(app.run()))
    assert "of another kind, width or size" in press(app, "go-form").error[0].value
    app.number_input(key="train-width").set_value(finished.config.width)
    app.number_input(key="train-seed").set_value(7)
    press(ran(app.run()), "go-form")
    (new,) = [r for r in list_runs(runs) if r.name != finished.name]
    assert new.config.parent == start and new.config.seed == 7
    assert f"weights of {finished.name}" in text(visit("train", mine=new.name))
    press(visit("train", mine=finished.name), f"play_arrow-{finished.name}")
    assert open_run(finished.path).config.steps == 2 * steps and finished.status == "queued"


def test_a_deleted_run_leaves_the_address_and_a_dead_link_says_so(finished: Run) -> None:
    app = visit("train", mine=finished.name)
    assert finished.path.exists()
    press(app, "Yes, delete it")
    assert not finished.path.exists() and "mine" not in app.query_params and not app.warning
    gone = visit("train", mine="no-such-run")
    assert "There is no run called *no-such-run* here" in gone.warning[0].value
    assert "mine" not in gone.query_params


def test_on_a_public_server_a_link_lets_watch_and_a_key_lets_change(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    mine = _upload(visit("train"), pictures(30))
    press(mine, f"go-{OWN}")
    (run,) = list_runs(runs)
    assert run.owner and len(run.name.rpartition("-")[2]) == 16  # nobody guesses it
    watched, change = (c.value for c in mine.code if f"mine={run.name}" in c.value)
    assert f"{visitor.KEY}=" not in watched and f"{visitor.KEY}=" in change
    assert run.name not in str(visit("train").get("page_link"))  # others' runs are not listed
    linked = visit("train", mine=run.name)
    assert "Somebody else's run" in text(linked) and "Stop" not in _labels(linked)
    assert not any(f"{visitor.KEY}=" in c.value for c in linked.code)
    back = visit("train", mine=run.name, key=change.rpartition("=")[2])
    assert visitor.KEY not in back.query_params  # a link copied from here does not carry it on
    press(back, "Stop")
    assert run.status == "paused"


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        ({"STEPS": "100"}, "1500"),
        ({"QUEUED_EACH": "1"}, "leaves no room for 2 more"),
    ],
)
def test_what_a_public_server_refuses_is_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caps: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    for name, value in caps.items():
        monkeypatch.setenv(f"AMBIENT_MAX_{name}", value)
    (line,) = press(visit("train", kind=PAIR), "go-digits").error
    assert said in line.value and list_runs(runs) == []


def test_pictures_of_ones_own_become_a_card(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _upload(visit("train"), [*pictures(30), ("bad.png", b"MZ" + bytes(9))])
    assert "30 pictures of 16x16 pixels" in text(app)
    assert words.unmarked("1 of 31 pictures left out: 'bad.png' is not a readable") in text(app)
    assert not app.file_uploader
    press(app, f"go-{OWN}")
    (run,) = list_runs(runs)
    assert run.config.corpus == OWN and run.corpus().names[0] == "000.png"
    assert _upload(visit("train"), pictures(3)).error[0].value.endswith("at least 4 are needed.")
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_PICTURES", "9")
    refused = _upload(visit("train"), pictures(10)).error[0].value
    assert refused == "more than 9 pictures were given; use fewer."


def test_a_pair_is_one_view_with_a_suggested_or_a_given_cutoff(runs: Path, digits: Corpus) -> None:
    wanted = round(float(cutoff_report(digits, 50).suggested_cutoff or 0), 2)
    app = press(_form(n_train="50", corpus="digits"), "suggest")
    assert app.number_input(key="train-cutoff").value == wanted
    app = press(_form(n_train="50", corpus="digits"), "go-pair")
    standard, ambient = sorted(list_runs(runs), key=lambda r: r.config.arm == "ambient")
    assert changed(standard.config, ambient.config).keys() == {"cutoff"}
    assert ambient.config.cutoff == wanted
    assert [queue.position(r) for r in (standard, ambient)] == [0, 1]
    assert all(words.run_name(r) in text(app) for r in (standard, ambient))
    everything = str(len(set(digits.groups.tolist())))
    refused = press(_form(n_train=everything, corpus="digits"), "go-pair")
    assert "leaves none unseen" in refused.error[0].value


def test_the_end_is_a_sentence(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finished.tell(unjudged="judging was stopped.")
    app = visit("train", mine=finished.name)
    assert "No verdict: judging was stopped." in text(app)
    press(app, "Judge it")
    finished.tell(status="running", judging=Judging(done=64, of=256), **pulse())
    app = visit("train", mine=finished.name)
    assert "Judging: 64 of 256 samples" in app.get("progress")[0].proto.text
    press(app, "Stop")
    assert (finished.path / STOP_FILE).exists()
    (finished.path / STOP_FILE).unlink()
    finished.tell(status="done", judging=None)
    judge(finished, 100)
    report = finished.report()
    said = text(visit("train", mine=finished.name))
    assert f"Of {report.n_samples} new samples" in said
    assert words.percent(report.copies.ratio.rated.rate) in said
    partner = finished.path.with_name("with-cutoff")
    shutil.copytree(finished.path, partner)
    config = finished.config.replace(arm="ambient", cutoff=0.5)
    (partner / "config.json").write_text(config.to_json())
    assert "So many samples show no difference." in text(visit("train", mine="with-cutoff"))
    shutil.rmtree(partner)
    nothing = dict.fromkeys(("rate", "ci95", "heldout_rate", "heldout_ci95"))
    rule = structs.replace(report.copies.ratio, **nothing)
    refused = structs.replace(report, copies=structs.replace(report.copies, ratio=rule))
    structs.replace(refused, warnings=("too few.",)).save(finished.path / "report.json")
    app = visit("train", mine=finished.name)
    assert "No verdict: too few." in text(app) and "Judge it" not in _labels(app)


@pytest.mark.parametrize("name", ["digits-50-standard", "emoji-100-ambient-1.0"])
def test_the_shown_command_trains_the_same_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_train", lambda *_: None)
    run = open_run(BUNDLED_RUNS / name)
    said = shlex.split(watch.train_command(run))[3:]
    assert main([*said, "--out", str(tmp_path / "again")]) == 0
    again = open_run(tmp_path / "again").config
    every = run.config.checkpoint_every  # the command does not name it
    assert again.replace(checkpoint_every=every) == run.config


def test_captions_are_learned_too_where_there_are_some(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"text": "true", "steps": "5"}
    press(_form(corpus="emoji", **form), "go-form")
    (run,) = list_runs(runs)
    assert run.config.text and run.corpus().captions
    refused = press(_form(corpus="digits", **form), "go-form")
    assert "no captions" in refused.error[0].value
    monkeypatch.setattr(reading, "PACKAGE", "no_such_package")
    refused = press(_form(corpus="emoji", **form), "go-form")
    assert "requirements-text.txt" in refused.error[0].value
