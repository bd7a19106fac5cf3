"""A file of company registrations as a registrar's clerk exports it: GB18030, Chinese headers, CRLF."""

import csv
import io
from pathlib import Path

from demo.identifiers import demo_uscc

HEADER = [
    "统一社会信用代码",
    "主体名称",
    "主体类型",
    "登记机关",
    "登记状态",
    "成立日期",
    "核准日期",
    "营业期限自",
    "营业期限至",
    "注册资本（元）",
    "币种",
    "经营范围",
]


def registrations(count: int, first: int) -> list[dict[str, str]]:
    """Rows of companies numbered from `first` (below 1,000,000)."""
    return [_company(first + n) for n in range(count)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """The file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("gb18030"))
    return path


def with_another_digit(code: str) -> str:
    """The code with one digit changed, so that its check digit is wrong."""
    return code[:9] + ("8" if code[9] != "8" else "7") + code[10:]


def _company(number: int) -> dict[str, str]:
    capital = "" if number % 9 == 0 else f"{(number % 50 + 1) * 100000}.0"
    return {
        "统一社会信用代码": demo_uscc("91", number, "MB"),
        "主体名称": f"阳江演示第{number}号商贸有限公司",
        "主体类型": "有限责任公司（自然人投资或控股）",
        "登记机关": "阳江市市场监督管理局",
        "登记状态": ("存续", "注销", "吊销")[number % 3],
        "成立日期": f"{2001 + number % 20}-03-30",
        "核准日期": f"{2001 + number % 20}-03-30",
        "营业期限自": f"{2001 + number % 20}-03-30",
        "营业期限至": "2099-12-31",
        "注册资本（元）": capital,
        "币种": "人民币" if capital else "",
        "经营范围": '批发、零售:"日用百货",\n食品（凭许可证经营）。' if number % 4 else "",
    }
