"""Records: every bundled file is one, and what a file may not say is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from ambient.copies.records import Report
from ambient.diffusion.records import Curves
from ambient.files import ASSETS, InputError, Record, decode_record, encode_record, read_record
from ambient.reports.records import Audit, read_report
from ambient.runs.folder import open_run

KINDS: dict[str, type[Record]] = {
    "runs/*/report.json": Report,
    "runs/*/reports/*.json": Report,
    "runs/*/curves.json": Curves,
    "audit/*.json": Audit,
}
EXAMPLE = ASSETS / "audit" / "emoji-300-standard.json"


def said(value: Any) -> Any:
    """JSON without what it leaves open: a newer record says null or no, an old one nothing."""
    if isinstance(value, dict):
        return {k: said(v) for k, v in value.items() if v not in (None, []) and v is not False}
    return [said(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("pattern", KINDS)
def test_every_bundled_file_comes_back_as_it_was(pattern: str) -> None:
    files = list(ASSETS.glob(pattern))
    assert files
    for path in files:
        found = read_record(path, KINDS[pattern])
        assert found is not None
        assert said(json.loads(encode_record(found))) == said(json.loads(path.read_bytes())), path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rate": 1.5}, "`float` <= 1.0 - at `$.copies.ratio.rate`"),
        ({"rate": None}, "some of its rates; expected all of them, or none"),
    ],
)
def test_a_rule_out_of_bounds_is_one_line(change: dict[str, object], complaint: str) -> None:
    found = to_builtins(open_run("digits-50-standard").report())
    found["copies"]["ratio"] |= change
    with pytest.raises(InputError) as error:
        decode_record(json.dumps(found), Report, "report.json")
    line = str(error.value)
    assert line.startswith("report.json: ") and complaint in line and "\n" not in line


def test_a_report_says_its_rate_and_where_it_is_saved_it_is_read(tmp_path: Path) -> None:
    report = open_run("digits-50-standard").report()
    assert report is not None
    rule = report.copies.ratio
    assert (report.copies.rate, report.copies.low, report.copies.high) == (rule.rate, *rule.ci95)
    report.save(tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report
    audit = read_report(EXAMPLE)
    assert isinstance(audit, Audit)
    audit.save(tmp_path / "audit.json")
    assert read_report(tmp_path / "audit.json") == audit


def test_a_report_without_a_rate_has_none_to_give() -> None:
    report = open_run("digits-50-standard").report()
    assert report is not None
    nothing = dict.fromkeys(("rate", "ci95", "heldout_rate", "heldout_ci95"))
    copies = replace(report.copies, ratio=replace(report.copies.ratio, **nothing))
    assert (copies.rate, copies.low, copies.high) == (None, None, None)
    with pytest.raises(InputError, match="too few images for a rate"):
        _ = copies.ratio.rated
