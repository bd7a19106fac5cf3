"""What the READMEs say of settings, commands and the demonstration is so, in both languages."""

import re
from datetime import date
from pathlib import Path

import pytest

from chengxin.process.settings import Settings
from chengxin_cli.commands import COMMANDS
from chengxin_cli.tour.steps import STEPS
from demo.records import deliveries

ROOT = Path(__file__).parents[2]
# What the command line, the benchmark and the tests read themselves.
_OTHERS = {"CHENGXIN_HOME", "CHENGXIN_HTTP_PORT", "CHENGXIN_GRPC_PORT", "CHENGXIN_SOAK_MINUTES", "CHENGXIN_SOAK_SEED"}
_DIGITS = {"nineteen": 19, "十九": 19}
README = pytest.mark.parametrize("text", [(ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md")])


@README
def test_every_setting_is_one_of_the_programs_and_has_the_default_that_is_said(text: str) -> None:
    fields = {f"CHENGXIN_{name.upper()}": field for name, field in Settings.model_fields.items()}
    named = set(re.findall(r"CHENGXIN_[A-Z_]+[A-Z]", text)) - _OTHERS
    assert named - fields.keys() == set()
    for line in re.findall(r"^- (`CHENGXIN_.*)$", text, re.MULTILINE):
        names: list[str] = []
        for quoted, default in re.findall(r"`(CHENGXIN_\w+)`(?:[（( ]*`([^`]*)`[)）])?", line):
            names.append(quoted)
            if default:
                said = {str(fields[name].default) for name in names}
                assert {value.lower().removesuffix(".0") for value in said} == {default}, line
                names = []
    required = {name for name, field in fields.items() if field.is_required()}
    assert required == set(
        re.findall(r"`(CHENGXIN_\w+)`", "".join(re.findall(r"^- (`.*(?:required|必填).)", text, re.M)))
    )


@README
def test_every_target_of_make_that_is_named_is_there(text: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([\w-]+)", text, re.MULTILINE))
    assert {"run", "test", "check", "bench", "test-long"} <= named
    assert named <= targets


@README
def test_every_command_that_is_named_is_there(text: str) -> None:
    assert set(re.findall(r"`(?:\.venv/bin/)?chengxin ([\w-]+)", text)) <= COMMANDS.keys()


@README
def test_the_tour_has_as_many_steps_as_is_said(text: str) -> None:
    [said] = [number for word, number in _DIGITS.items() if word in text]
    assert said == len(STEPS)


@README
def test_the_company_is_found_with_what_is_said_of_it(text: str) -> None:
    named = "演示建筑"
    told = {
        delivery.entry_code
        for delivery in deliveries(date(2026, 10, 1))
        if any(named in value for record in delivery.records for value in record.values())
    }
    assert named in text
    # Its registration, licences, a penalty, a black list.
    assert {"QYDJ", "XZXK", "XZCF", "TQNMGGZ"} <= told
