"""Which of its two languages the system speaks to a caller."""

import pytest

from chengxin.auth.request_context import pick_language

CHINESE = (
    *("", "zh", "zh-TW, en;q=0.5", "en;q=0.5, zh;q=0.9", "zh, en", "fr", "*", "en;q=0", "en;q=0, *", "*, en;q=0.5"),
    *("en;q=0, zh;q=0", "fr, zh-HK;q=0.1", "en;q=x", ",;,"),
)
ENGLISH = (
    *("en", "EN-gb", "en-US,en;q=0.9,zh;q=0.8", "zh;q=0.5, en;q=0.9", "en;q=0.5, zh;q=0.5", "fr, en;q=0.1"),
    *("zh;q=0, *", "*;q=0.1, en", "zh;q=0.2, en-US;q=0.1, en;q=0.9"),
)


@pytest.mark.parametrize(("accepted", "language"), [*((a, "zh-CN") for a in CHINESE), *((a, "en") for a in ENGLISH)])
def test_the_language_of_the_greater_weight_is_spoken(accepted: str, language: str) -> None:
    assert pick_language(accepted) == language
