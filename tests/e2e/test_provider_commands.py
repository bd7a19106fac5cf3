"""A provider's commands as they are documented: what they refuse, what they keep, and what they say."""

from pathlib import Path

from chengxin.ids import new_id
from tests.city import City
from tests.e2e.registrations import registrations, write


def names(directory: Path) -> set[str]:
    """The files in a directory."""
    return {file.name for file in directory.iterdir()}


def test_a_closed_submission_is_no_other_files(city: City, tmp_path: Path) -> None:
    first, other = (write(tmp_path / f"{n}.csv", registrations(2, n)) for n in (310_000, 310_100))
    submission = ("--catalog", "QYDJ", "--submission-id", new_id("monthly"))
    assert city.chengxin("submit", str(first), *submission).returncode == 0
    there = names(tmp_path)
    done = city.chengxin("submit", str(other), *submission)
    assert (done.returncode, "SUBMISSION_CONFLICT" in done.stderr) == (1, True), done.stdout + done.stderr
    assert "delivered before" not in done.stdout
    assert names(tmp_path) == there
    # Its own file is told what became of it.
    again = city.chengxin("submit", str(first), *submission)
    assert (again.returncode, "delivered before" in again.stdout) == (0, True), again.stderr
