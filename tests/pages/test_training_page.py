"""Train your own: what a visitor can do with a run, with somebody else's, and come back to."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.cli import main
from ambient.cli import train as commands
from ambient.config import PEAK_RATES, PRESETS, configure
from ambient.diffusion import hardware
from ambient.diffusion.levels import cutoff_report
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.reports.comparison import changed
from ambient.reports.keeping import judge
from ambient.runs import queue
from ambient.runs.folder import BUNDLED_RUNS, IMAGES_FILE, OWN, STOP_FILE, Run, list_runs, open_run
from ambient.runs.job import Judging, pulse
from ambient.runs.start import packed
from ui import visitor, words
from ui.train_your_own import progress, replay

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder, and a worker that starts nothing."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("AMBIENT_RUNS", str(folder))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda run: None)
    return folder


@pytest.fixture
def finished(runs: Path, tiny_run: Run) -> Run:
    """A finished run of nobody in particular."""
    shutil.copytree(tiny_run.path, runs / tiny_run.name)
    return open_run(runs / tiny_run.name)


def _open(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/train_your_own.py")
    app.query_params.update(query)
    return _ran(app.run())


def _ran(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def _press(app: AppTest, label: str) -> AppTest:
    return _ran(next(b for b in app.button if b.label == label).click().run())


def _labels(app: AppTest) -> list[str]:
    return [b.label for b in app.button]


def _text(app: AppTest) -> str:
    return "\n".join(e.value for e in [*app.markdown, *app.caption])


def _status(run: Run) -> str:
    return str(open_run(run.path).status)


def test_a_run_goes_through_the_queue(runs: Path) -> None:
    first = _press(_open(), "Train")
    (run,) = list_runs(runs)
    assert first.selectbox(key="mine").value == run.name
    assert _status(run) == "queued" and "Runs before this one: 0" in _text(first)
    second = _press(_open(), "Train")
    assert "Runs before this one: 1" in _text(second)
    assert "It starts in about" in _text(second)
    _press(first, "Stop and save")
    assert _status(run) == "paused"
    assert "Go on" in _labels(_open(mine=run.name))


@pytest.mark.parametrize("name", PRESETS)
def test_a_card_trains_what_the_command_trains(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(hardware, "_bfloat16_cost", lambda: 0.5)
    monkeypatch.setattr(commands, "_train", lambda *_: None)
    assert main(["train", "--preset", name, "--out", str(tmp_path / "run")]) == 0
    _press(_ran(_open().button(key=f"preset-{name}").click().run()), "Train")
    (run,) = list_runs(runs)
    assert run.config == open_run(tmp_path / "run").config
    assert run.config.dtype == "bfloat16"


def test_the_learning_rate_follows_the_kind_of_network(runs: Path) -> None:
    app = _open(**{"train-network": "concat", "train-lr": "0.002"})
    assert app.number_input(key="train-lr").value == 0.002  # the address holds both
    app.selectbox(key="train-network").set_value("bands")
    assert _ran(app.run()).number_input(key="train-lr").value == PEAK_RATES["bands"]
    _press(app, "Train")
    (run,) = list_runs(runs)
    assert (run.config.network, run.config.lr) == ("bands", PEAK_RATES["bands"])


def test_the_form_says_how_long_before_the_click(runs: Path) -> None:
    assert "It starts at once" in _text(_open())
    app = _press(_open(), "Train")
    assert "Another run would start in about" in _text(app)
    assert "It starts in about" not in _text(app)  # as if the one in training waited


def test_what_is_counted_is_what_is_shown(finished: Run) -> None:
    app = _open(mine=finished.name)
    rows = progress.copied_so_far(finished)
    assert [r["step"] for r in rows] == finished.sheet_steps
    assert all(r["ci95"][0] <= r["rate"] <= r["ci95"][1] for r in rows)
    assert app.metric[0].label == f"Copied at step {finished.last_step:,}"
    assert app.metric[0].delta.endswith("of 36")


def test_a_stage_that_goes_while_it_is_watched_is_one_line(finished: Run) -> None:
    step = finished.last_step
    (finished.path / "sheets" / f"step-{step:06d}.png").unlink()
    with pytest.raises(InputError, match=f"at step {step} were just removed; look again"):
        progress._sheet(finished, step)


def test_a_finished_run_goes_on(finished: Run) -> None:
    steps = finished.config.steps
    _press(_open(mine=finished.name), f"Go on to step {2 * steps:,}")
    assert open_run(finished.path).config.steps == 2 * steps
    assert _status(finished) == "queued"


def test_other_settings_continue_from_its_weights(runs: Path, finished: Run) -> None:
    app = _press(_open(mine=finished.name), "Continue with other settings")
    start = f"{finished.name}@{finished.last_step}"
    assert app.selectbox(key="train-start").value == start
    assert app.number_input(key="train-width").value == finished.config.width
    app.number_input(key="train-seed").set_value(7)
    _press(app, "Train")
    (new,) = [r for r in list_runs(runs) if r.name != finished.name]
    assert new.config.parent == start and new.config.seed == 7


def test_weights_of_a_bundled_run_start_another(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_bfloat16_cost", lambda: 0.5)
    kept = open_run(BUNDLED_RUNS / "digits-50-standard")
    start = f"{kept.name}@{kept.last_step}"
    app = _open()
    app.selectbox(key="train-start").set_value(start)
    _press(app, "Train")
    (run,) = list_runs(runs)
    assert run.config.parent == start and run.config.network == kept.config.network
    assert run.config.dtype == kept.config.dtype == "float32"  # as with `train --from`
    app = _open(**{"train-network": "concat"})
    assert not any(kept.name in option for option in app.selectbox(key="train-start").options)


def test_a_run_is_deleted_only_when_that_is_confirmed(finished: Run) -> None:
    app = _open(mine=finished.name)
    assert finished.path.exists()
    _press(app, "Yes, delete it")
    assert not finished.path.exists()


def test_on_a_public_server_a_link_lets_watch_and_a_key_lets_change(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    mine = _press(_open(), "Train")
    (run,) = list_runs(runs)
    assert run.owner and "Stop and save" in _labels(mine)
    watch, change = (c.value for c in mine.code if f"mine={run.name}" in c.value)
    assert visitor.KEY not in mine.query_params
    assert f"{visitor.KEY}=" not in watch and f"{visitor.KEY}=" in change

    stranger = _open()
    assert not any(s.key == "mine" for s in stranger.selectbox)  # others' runs are not listed
    linked = _open(mine=run.name)
    assert "Somebody else's run" in _text(linked)
    assert not {"Stop and save", "Yes, delete it", "Go on"} & set(_labels(linked))
    assert not any(f"{visitor.KEY}=" in c.value for c in linked.code)

    back = _open(mine=run.name, key=change.rpartition("=")[2])
    assert visitor.KEY not in back.query_params  # a link copied from here does not carry it on
    _press(back, "Stop and save")
    assert _status(run) == "paused"


def test_a_public_server_refuses_too_much_in_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    app = _open()
    app.number_input(key="train-steps").set_value(10**6)
    _press(app, "Train")
    (line,) = app.error
    assert "1000000" in line.value and "10000" in line.value
    assert list_runs(runs) == []


def test_the_queue_goes_on_where_no_page_is_open(tmp_path: Path, digits: Corpus) -> None:
    config = configure(digits, n_train=16, batch=8, width=16, steps=20, threads=1)
    waiting = [queue.submit(config, tmp_path) for _ in range(2)]
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and waiting[-1].last_step < 20:
        time.sleep(0.2)
    assert [run.last_step for run in waiting] == [20, 20]
    assert _status(waiting[0]) == "done" and waiting[0].report()
    queue.request_stop(waiting[1])
    while time.monotonic() < deadline and _status(waiting[1]) != "done":
        time.sleep(0.2)


def test_a_stranger_is_not_shown_around_the_machine(
    runs: Path, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for public in ("1", "0"):
        monkeypatch.setenv("AMBIENT_PUBLIC", public)
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.switch_page("pages/evidence.py")
        app.query_params["run"] = finished.name
        (finished.path / "report.json").write_text("{")
        _ran(app.run())
        (line,) = app.error
        assert (str(runs) in line.value) == (public == "0")
        assert "report.json" in line.value
        assert bool(app.text_input) == (public == "0")


def test_a_link_to_a_run_that_is_gone_says_so_once(finished: Run, runs: Path) -> None:
    app = _open(mine="no-such-run")
    assert "There is no run called *no-such-run* here" in app.warning[0].value
    assert app.warning[0].value.endswith("Another run is shown.")
    _press(app, "Train")
    assert not app.warning  # the visitor's own run is no other than asked for
    app = _open(mine=finished.name)
    next(b for b in app.button if b.label == "Yes, delete it").click().run()
    assert not app.exception and not app.warning and not finished.path.exists()
    _ran(app.switch_page("pages/evidence.py").run())
    assert not app.warning


def test_only_weights_that_fit_are_offered(finished: Run) -> None:
    app = _press(_open(mine=finished.name), "Continue with other settings")
    app.number_input(key="train-width").set_value(finished.config.width + 16)
    _ran(app.run())
    start = app.selectbox(key="train-start")  # no choice is dropped without a word
    assert start.value == f"{finished.name}@{finished.last_step}"
    assert "of another kind, width or size" in _text(app)
    _press(app, "Train")
    assert "of another kind, width or size" in app.error[0].value
    app.selectbox(key="train-start").set_value("scratch")
    _ran(app.run())
    options = app.selectbox(key="train-start").options
    assert not any(finished.name in option for option in options)


def _upload(app: AppTest, files: list[tuple[str, bytes]]) -> AppTest:
    app.selectbox(key="train-corpus").set_value(OWN)
    _ran(app.run())
    app.file_uploader(key="pictures-to-train-on").set_value([(*f, "image/png") for f in files])
    return _ran(app.run())


def _pictures(count: int, side: int = 16) -> list[tuple[str, bytes]]:
    """Noise, so that no two are twins."""
    rng, found = np.random.default_rng(0), []
    for i in range(count):
        buffer = io.BytesIO()
        noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(buffer, "PNG")
        found.append((f"{i:03}.png", buffer.getvalue()))
    return found


def test_pictures_of_ones_own_are_told_and_trained_on(runs: Path) -> None:
    app = _open()
    app = _upload(app, [*_pictures(30), _pictures(1)[0], ("bad.png", b"MZ" + bytes(9))])
    said = _text(app)
    assert "31 pictures of 16×16 pixels, in color; 30 of them different" in said
    assert "22 are trained on and 8 stay unseen. With 100 unseen or more" in said
    left_out = "1 of 32 pictures left out: 'bad.png' is not a readable picture but a program"
    assert words.unmarked(left_out) in said
    _press(app, "Train")
    (run,) = list_runs(runs)
    assert run.config.corpus == OWN and len(run.corpus()) == 31
    assert run.config.side == 16 and run.corpus().names[0] == "000.png"
    again = _press(_open(mine=run.name), "Stop and save")
    assert "pictures" in again.selectbox(key="mine").value


def test_pictures_dropped_on_the_first_page_are_trained_on(runs: Path) -> None:
    app = _ran(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run())
    given = [(*f, "image/png") for f in _pictures(30)]
    app.file_uploader(key="first-train").set_value(given)
    _press(_ran(app.run()), "Train on my own pictures")
    assert app.selectbox(key="train-corpus").value == OWN
    assert "From the first page: 000" in _text(app)
    _press(app, "Train")
    (run,) = list_runs(runs)
    assert run.config.corpus == OWN and len(run.corpus()) == 30


def test_what_cannot_be_trained_on_is_one_line(runs: Path) -> None:
    app = _upload(_open(), _pictures(3))
    assert [e.value for e in app.error] == ["'pictures' has 3 images; at least 4 are needed."]
    _press(app, "Train")
    assert "no pictures to train on yet" in app.error[-1].value
    assert list_runs(runs) == []


def test_a_public_server_takes_so_many_pictures(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_PICTURES", "9")
    app = _upload(_open(), _pictures(10))
    assert [e.value for e in app.error] == ["more than 9 pictures were given; use fewer."]
    monkeypatch.setenv("AMBIENT_MAX_UPLOAD", "1000")
    app = _upload(_open(), _pictures(9))
    assert "this server takes at most 0 MB" in app.error[0].value


def test_own_pictures_are_for_who_has_the_link(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    app = _open()
    app.number_input(key="train-n_train").set_value(16)
    app = _upload(app, _pictures(30))
    assert "Whoever has the run's link sees them" in _text(app)
    _press(app, "Train")
    (run,) = list_runs(runs)
    assert len(run.name.rpartition("-")[2]) == 16  # nobody guesses it
    stranger = _open()
    assert not any(s.key == "mine" for s in stranger.selectbox)
    assert not any(run.name in o for s in stranger.selectbox for o in s.options)
    linked = _open(mine=run.name)
    assert "Somebody else's run" in _text(linked)
    assert not {"Stop and save", "Yes, delete it"} & set(_labels(linked))


def test_a_run_on_own_pictures_continues_without_them_at_hand(runs: Path, finished: Run) -> None:
    images = finished.corpus()
    config = finished.config.replace(corpus=OWN)
    (finished.path / "config.json").write_text(config.to_json())
    (finished.path / IMAGES_FILE).write_bytes(packed(images))
    app = _press(_open(mine=finished.name), "Continue with other settings")
    assert f"the pictures of {finished.name}" in _text(app)
    _press(app, "Train")
    (new,) = [r for r in list_runs(runs) if r.name != finished.name]
    assert new.config.parent == f"{finished.name}@{finished.last_step}"
    assert new.corpus().sha256 == images.sha256
    assert f"began with the weights of {finished.name}" in _text(_open(mine=new.name))


def test_a_cutoff_is_suggested_before_training(runs: Path) -> None:
    app = _open()
    app.number_input(key="train-n_train").set_value(50)
    _press(app, "Suggest a cutoff")
    wanted = float(re.search(r"Cutoff ([\d.]+): up to there", _text(app)).group(1))  # type: ignore[union-attr]
    _press(app, "Use it")
    assert app.number_input(key="train-cutoff").value == wanted
    assert app.selectbox(key="train-arm").value == "ambient"


def test_unseen_images_stand_beside_the_copies(finished: Run) -> None:
    both = len(finished.split(finished.corpus()).heldout)
    assert f"of {min(both, progress.UNSEEN):,})." in _text(_open(mine=finished.name))


def test_a_finished_run_is_judged_when_asked(finished: Run) -> None:
    finished.tell(unjudged="judging was stopped.")
    app = _open(mine=finished.name)
    assert "No verdict: judging was stopped." in _text(app)
    _press(app, "Judge this run")
    assert _status(finished) == "queued"
    finished.tell(status="running", judging=Judging(done=64, of=256), **pulse())
    app = _open(mine=finished.name)
    assert any(b.label == "Stop judging" for b in app.button)
    assert "Judging: 64 of 256 samples" in app.get("progress")[0].proto.text
    _press(app, "Stop judging")
    assert (finished.path / STOP_FILE).exists()


def test_a_judged_run_shows_its_verdict_and_what_to_compare_it_with(finished: Run) -> None:
    judge(finished, 100)
    app = _open(mine=finished.name)
    report = finished.report()
    assert report is not None
    labels = {m.label: m for m in app.metric}
    assert words.percent(report.copies.ratio.rate) in labels["Copied"].value
    assert labels["Copied"].delta.endswith("of 100")
    assert "Unseen real images: called copies" in labels
    assert not any("Copied at step" in label for label in labels)  # of fewer samples
    assert "Judge this run" not in _labels(app)
    link = next(e.proto for e in app.get("page_link") if e.proto.label.startswith("Compare with"))
    assert f"second={finished.name}" in link.query_string
    compared = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    compared.switch_page("pages/compare.py")
    compared.query_params["second"] = finished.name
    assert _ran(compared.run()).selectbox(key="second").value == finished.name
    nothing = dict.fromkeys(("rate", "ci95", "heldout_rate", "heldout_ci95"))
    rule = structs.replace(report.copies.ratio, **nothing)
    copies = structs.replace(report.copies, ratio=rule)
    warnings = ("16 held-out images are too few.",)
    structs.replace(report, copies=copies, warnings=warnings).save(finished.path / "report.json")
    app = _open(mine=finished.name)
    assert "No verdict: 16 held-out images are too few." in _text(app)
    assert "Judge this run" not in _labels(app)  # it would say the same again


PAIR = "Train a pair: standard and ambient"


def _alike(runs: Path) -> tuple[Run, Run]:
    standard, ambient = sorted(list_runs(runs), key=lambda r: r.config.arm == "ambient")
    assert changed(standard.config, ambient.config).keys() == {"cutoff"}
    assert [queue.position(r) for r in (standard, ambient)] == [0, 1]
    return standard, ambient


def test_one_click_queues_a_pair_with_the_suggested_cutoff(runs: Path, digits: Corpus) -> None:
    app = _open()
    app.number_input(key="train-n_train").set_value(50)
    _press(app, PAIR)
    standard, ambient = _alike(runs)
    report = cutoff_report(digits, 50)
    assert ambient.config.cutoff == round(report.suggested_cutoff, 2)
    assert app.selectbox(key="mine").value == standard.name
    said = _text(app)
    assert f"Cutoff {ambient.config.cutoff:g}, up to there at most 5 % of unseen images" in said
    assert f"{standard.name} waits and {ambient.name} waits" in said
    _press(app, f"Show {ambient.name}")
    assert app.selectbox(key="mine").value == ambient.name


def test_a_pair_takes_a_cutoff_of_ones_own(runs: Path) -> None:
    app = _open()
    app.selectbox(key="train-arm").set_value("ambient")
    _ran(app.run()).number_input(key="train-cutoff").set_value(0.7)
    _press(_ran(app.run()), PAIR)
    assert _alike(runs)[1].config.cutoff == 0.7


def test_a_pair_has_room_for_two_or_is_refused_in_one_line(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    app = _press(_open(), "Train")
    _press(app, PAIR)
    (line,) = app.error
    assert "1 runs of yours are training or waiting" in line.value
    assert "leaves no room for 2 more" in line.value
    assert len(list_runs(runs)) == 1
    monkeypatch.setenv("AMBIENT_MAX_QUEUED", "2")
    other = _press(_open(), PAIR)
    assert "1 runs are training or waiting, and this server takes 2" in other.error[0].value
    monkeypatch.setenv("AMBIENT_MAX_QUEUED", "3")
    monkeypatch.setenv("AMBIENT_MAX_N_TRAIN", "20")
    assert "n_train" in _press(_open(), PAIR).error[0].value
    assert len(list_runs(runs)) == 1


def test_where_no_cutoff_is_suggested_a_pair_says_why(runs: Path, digits: Corpus) -> None:
    app = _open()
    app.number_input(key="train-n_train").set_value(len(set(digits.groups.tolist())))
    _press(app, PAIR)
    assert "leaves none unseen" in app.error[0].value
    assert list_runs(runs) == []


def test_a_judged_pair_leads_to_compare(finished: Run) -> None:
    judge(finished, 100)
    partner = finished.path.with_name("with-cutoff")
    shutil.copytree(finished.path, partner)
    config = finished.config.replace(arm="ambient", cutoff=0.5)
    (partner / "config.json").write_text(config.to_json())
    app = _open(mine="with-cutoff")
    link = next(e.proto for e in app.get("page_link") if e.proto.label == "Compare the two")
    assert link.query_string == f"first={finished.name}&second=with-cutoff"
    assert not any(e.proto.label.startswith("Compare with") for e in app.get("page_link"))


@pytest.mark.parametrize("name", ["digits-50-standard", "emoji-100-ambient-1.0"])
def test_the_shown_command_trains_the_same_run(name: str, tmp_path: Path) -> None:
    run = open_run(BUNDLED_RUNS / name)
    words = shlex.split(replay.train_command(run))[3:]
    assert main([*words, "--steps", "1", "--out", str(tmp_path / "again")]) == 0
    again = open_run(tmp_path / "again").config
    same = {"steps": run.config.steps, "checkpoint_every": run.config.checkpoint_every}
    assert again.replace(**same) == run.config


def test_a_button_of_a_run_that_was_deleted_elsewhere_says_so(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed in one tab while another deletes: in a fragment, so the page is not chosen anew."""
    said: list[str] = []
    monkeypatch.setattr(progress.st, "button", lambda *_, **__: True)
    monkeypatch.setattr(words, "refuse", said.append)
    shutil.rmtree(finished.path)
    progress._act(finished, "Go on", "play_arrow", lambda *_: pytest.fail("it was asked to"))
    assert said == [f"the run {finished.name} is gone: it was deleted meanwhile."]
