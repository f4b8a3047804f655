"""The page Audit: two drops and one click, hostile drops, turns, and nothing left behind."""

import json
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ambient.cli import main
from ambient.images.corpus import Corpus, split_corpus
from ambient.reports.page import leaked as leaked_of
from ambient.reports.page import page as html_page
from ambient.reports.records import Audit as Report
from ambient.reports.records import read_report
from ambient.runs.audits import Audit, list_audits
from tests.files import encoded, saved, zipped
from ui import data, visitor
from ui.audit import door
from ui.jobs import desk

ROOT = Path(__file__).resolve().parents[2]


def as_zip(images: np.ndarray, prefix: str) -> bytes:
    return zipped((f"{prefix}{i:03}.png", encoded(image)) for i, image in enumerate(images))


@pytest.fixture(scope="module")
def sets(emoji: Corpus) -> dict[str, bytes]:
    split = split_corpus(emoji, 120, 0)
    train, unseen = emoji.images[split.train], emoji.images[split.heldout]
    made = np.concatenate([train[:40], unseen[:80]])
    return {"generated": as_zip(made, "made-"), "train": as_zip(train, "train-")}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda job: None)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    return at.switch_page("pages/audit.py").run()


def drop(at: AppTest, which: str, *files: tuple[str, bytes]) -> None:
    kind = "application/zip" if files[0][0].endswith("zip") else "image/png"
    given = [(name, data, kind) for name, data in files]
    at.file_uploader(key=f"audit-{which}-0").set_value(given)


def click(at: AppTest) -> AppTest:
    at.run()  # as a drop does
    return at.button(key="audit-go").click().run()


def finished(at: AppTest) -> AppTest:
    """The page once its audit has ended, which runs here: test_queue.py has a true process."""
    (job,) = audits()
    assert main(job.request.arguments) == 0
    job.settle()
    return at.run()


def audits() -> list[Audit]:
    return list_audits(data.runs_folder())


def said(at: AppTest) -> str:
    return " ".join(
        m.value for m in [*at.header, *at.subheader, *at.markdown, *at.caption, *at.error]
    )


def test_the_page_opens_with_an_audited_example(page: AppTest) -> None:
    assert not page.exception
    alts = [image.alt for e in page.get("image") for image in e.proto.imgs]
    assert len(alts) == 1 and alts[0].count(" above ") > 4
    assert page.button(key="audit-go").disabled
    page.session_state["audit-example"] = True
    page.run()
    assert not page.exception
    assert "Yes: some are copies" in said(page)


def test_two_drops_and_one_click(
    page: AppTest, sets: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(page, "generated", ("samples.zip", sets["generated"]))
    drop(page, "train", ("training.zip", sets["train"]))
    page.selectbox(key="audit-features").set_value("pixels")
    at = finished(click(page))
    assert not at.exception and not at.error
    assert "120 generated images" in said(at)
    (job,) = audits()
    report = read_report(job.json)
    assert isinstance(report, Report)
    low, high = report.copies.ratio.rated.ci95
    assert low < 40 / 120 < high
    leaked = leaked_of(report)
    assert set(leaked) >= {f"train-{i:03}.png" for i in range(40)}
    assert f"{len(leaked)} of 120 training pictures came back" in said(at)
    assert list(at.dataframe[0].value["your file"]) == list(leaked)
    assert job.html.read_text("utf-8") == html_page(report)
    again = opened(monkeypatch, at)
    assert "120 generated images" in said(again) and not again.file_uploader
    assert "leaves out pictures" in said(opened(monkeypatch, at, hide="open"))  # for a class
    for stranger in (None, "x" * 22):
        assert "120 generated images" not in said(opened(monkeypatch, stranger))
    again = opened(monkeypatch, at)
    (delete,) = [b for b in again.button if b.label == "Delete this audit"]
    bare = delete.click().run()
    assert [u.key for u in bare.file_uploader][0] == "audit-generated-1"  # with nothing in it
    assert not audits() and not job.path.exists()


def opened(
    monkeypatch: pytest.MonkeyPatch, browser: AppTest | str | None, **address: str
) -> AppTest:
    """The page in a new session, of the browser of another session or of one with such a cookie."""
    if isinstance(browser, AppTest):
        browser = str(browser.session_state[visitor.BROWSER])
    cookies = {visitor.COOKIES[visitor.BROWSER]: browser} if browser else {}
    monkeypatch.setattr(type(st.context), "cookies", property(lambda self: cookies))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.switch_page("pages/audit.py")
    at.query_params.update(address)
    at.run()
    assert not at.exception
    return at


def test_an_audit_belongs_to_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda job: None)
    keys = {
        name: desk.submit({"generated": "a", "train": "b"}, "pixels", 128, of)
        for name, of in {"a1": "a", "b": "b", "a2": "a"}.items()
    }

    def found(browser: str | None, key: str = "") -> str | None:
        audit = desk.look(browser, keys.get(key, ""))
        return next((k for k, v in keys.items() if audit and v == audit.name), None)

    assert [found("a"), found("a", "a1"), found("b"), found("b", "a1")] == ["a2", "a1", "b", "b"]
    assert found("c") is found(None) is None
    desk.end_all(None)
    assert len(list_audits(tmp_path)) == 3
    desk.end_all("a")
    assert [a.name for a in list_audits(tmp_path)] == [keys["b"]]


def test_a_hostile_drop_is_refused_at_the_door_by_its_own_name(page: AppTest) -> None:
    drop(page, "generated", ("a.png", b"x"), ("cat.zip", b"PK\x03\x04 and nothing"))
    (error,) = page.run().error
    assert error.value.startswith("What was generated: ") and "cat" in error.value
    assert "\n" not in error.value and "Traceback" not in error.value
    assert page.button(key="audit-go").disabled and not audits()


def test_a_public_server_caps_and_asks_for_no_paths(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, sets: dict[str, bytes]
) -> None:
    assert [t.key for t in page.text_input if "audit-path" in (t.key or "")]
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_UPLOAD", "1000")
    at = page.run()
    assert not [t for t in at.text_input if "audit-path" in (t.key or "")]
    assert at.selectbox(key="audit-features").options == ["the bundled encoder", "pixels again"]
    drop(at, "generated", ("samples.zip", sets["generated"]))
    drop(at, "train", ("training.zip", sets["train"]))
    at.run()
    assert "this server takes at most 0 MB" in at.error[0].value
    assert not audits()


# Models


def test_a_diffusers_model_is_sampled_and_judged(
    page: AppTest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.pipelines import files, save

    model = zipped(files(save(tmp_path_factory.mktemp("p") / "my-ddpm").parent).items())
    page.file_uploader(key="audit-model-0").set_value(("my-ddpm.zip", model, "application/zip"))
    train = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)
    page.file_uploader(key="audit-train-0").set_value(
        [("mine.npz", saved(images=train), "application/octet-stream")]
    )
    page.selectbox(key="audit-features").set_value("pixels")
    at = finished(click(page))
    assert not at.exception and not at.error
    assert "128 generated images" in said(at)
    (job,) = audits()
    report = json.loads(job.json.read_bytes())
    assert report["generated"]["name"] == "my-ddpm"
    assert report["samples"][5]["file"] == "seed 5"
    assert report["sampler"]["sampler"] == "heun"
    assert len(report["checkpoint_sha256"]) == 64


def test_without_diffusers_one_line_says_what_to_install(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    at = page.text_input(key="audit-path-model").set_value("somewhere").run()
    assert [e.value for e in at.error] == [
        "diffusers pipelines need a package that is not installed; run "
        "`pip install -r requirements-models.txt`."
    ]
    assert "hub:owner/name@revision" in at.text_input(key="audit-path-model").placeholder
    assert page.button(key="audit-go").disabled
