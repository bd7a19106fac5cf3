"""Records as providers deliver them."""

from datetime import date

from demo.identifiers import demo_identity_number, demo_uscc

REGULATOR = "11000000000000027K"
# The item of a licence that is a personal identifier.
IDENTIFIER = "XK_FR_ZJHM"


def licence(number: int = 1, **changes: str) -> dict[str, str]:
    """A valid licensing record, another one for each number."""
    return {
        "XK_XDR_MC": f"阳江演示{number % 97}有限公司",
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": demo_uscc("91", number % 97, "MA"),
        "XK_FRDB": "王强",
        "XK_FR_ZJLX": "身份证",
        IDENTIFIER: demo_identity_number(date(1890, 3, 2), 1),
        "XK_XKWS": "食品经营许可证",
        "XK_WSH": f"演许字〔2026〕{number}号",
        "XK_XKLB": "普通",
        "XK_NR": "食品经营",
        "XK_JDRQ": "2026-01-02",
        "XK_YXQZ": "2026-01-02",
        "XK_YXQZI": "2031-11-01",
        "XK_XKJG": "阳江市市场监督管理局",
        "XK_XKJGDM": REGULATOR,
        "XK_ZT": "1",
        "XK_LYDW": "阳江市市场监督管理局",
        "XK_LYDWDM": REGULATOR,
    } | changes


def visible(number: int = 1, **changes: str) -> dict[str, str]:
    """A licence as an officer sees it, without the personal identifier."""
    return {code: value for code, value in licence(number, **changes).items() if code != IDENTIFIER}


def licences(count: int, first: int = 1) -> list[dict[str, str]]:
    """Valid licensing records."""
    return [licence(number) for number in range(first, first + count)]


def wrong_digit(code: str) -> str:
    """The code with another check digit."""
    return code[:-1] + ("1" if code[-1] != "1" else "2")
