"""The shell of pages: every service that has pages shares one, one look and two languages.

It is `templates/base.html` here; its style sheet is the portal's (`/static`, which disclosure serves).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# Key to (Chinese, English).
Words = Mapping[str, tuple[str, str]]

HTML: Final = "text/html; charset=utf-8"
# Pages of a citizen, with the key of their name in the shell's words. Each service has its own.
OWN_PAGES: Final = (("/me", "own.records"), ("/me/accesses", "own.accesses"))
# The parameter by which a reader chooses a language, in the address of any page.
LANGUAGE: Final = "lang"
_LANGUAGES: Final = {"zh": "zh-CN", "zh-cn": "zh-CN", "en": "en"}
_SHELL: Final[Words] = {
    "site": ("信用阳江", "Credit Yangjiang"),
    "site.long": ("阳江市公共信用信息公示", "Public credit information of Yangjiang"),
    "other.language": ("English", "中文"),
    "skip": ("跳到正文", "Skip to content"),
    "colon": ("：", ": "),
    "comma": ("、", ", "),
    "next": ("下一页", "Next page"),
    "sign.out": ("退出登录", "Sign out"),
    "own.pages": ("本人页面", "Your pages"),
    "own.records": ("本人信用信息", "My own record"),
    "own.accesses": ("谁查询过我", "Who looked"),
    "footer": ("阳江市信用中心", "Yangjiang Credit Centre"),
    "footer.law": (
        "依据《阳江市公共信用信息管理暂行办法》公示；每次查询均留有记录。",
        "Published under the Interim Measures of Yangjiang on public credit information; every query is on record.",
    ),
}


class Templates:
    """A service's templates and their words, with the shell. What is put into them is escaped."""

    def __init__(self, directory: Path, words: Words) -> None:
        self._words = {**_SHELL, **words}
        self._environment = Environment(
            loader=FileSystemLoader([directory, Path(__file__).with_name("templates")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def words(self, language: str) -> Mapping[str, str]:
        """All words in `zh-CN` or `en`."""
        column = int(language == "en")
        return {key: texts[column] for key, texts in self._words.items()}

    def render(self, name: str, language: str, **values: Any) -> str:
        """Fills a template."""
        return self._environment.get_template(name).render(
            language=language, t=self.words(language), own_pages=OWN_PAGES, **values
        )


def chosen_language(query: str) -> str:
    """The language that a reader chose by the parameters of an address; empty without a choice."""
    # Most addresses have none.
    return _LANGUAGES.get(dict(parse_qsl(query)).get(LANGUAGE, "").lower(), "") if query else ""
