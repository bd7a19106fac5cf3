"""Every fault that a reader reports has its text."""

import re

from chengxin.tabular.problems import READER_PROBLEMS
from tests.tools.loading import ROOT


def test_every_fault_of_a_reader_has_its_words() -> None:
    files = sorted((ROOT / "chengxin/tabular/reader").glob("*.py"))
    codes = {code for file in files for code in re.findall(r'Fault\(\s*"([A-Z_]+)"', file.read_text())}
    assert codes == set(READER_PROBLEMS)
