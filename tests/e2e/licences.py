"""A file of licences as a department delivers it: item codes for headers, UTF-8."""

import csv
from pathlib import Path

from demo.identifiers import demo_uscc

# The number of companies, whose licences repeat.
COMPANIES = 2_000


def write(path: Path, items: dict[str, str], count: int) -> set[str]:
    """Writes `count` licences like `items`; the numbers of their documents."""
    companies = [(demo_uscc("91", 700_000 + n, "MD"), f"阳江演示第{n}号饮食有限公司") for n in range(COMPANIES)]
    numbers = [f"演许字〔2026〕{path.stem}-{n}号" for n in range(count)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(items))
        writer.writeheader()
        for n, number in enumerate(numbers):
            code, name = companies[n % COMPANIES]
            writer.writerow(items | {"XK_XDR_SHXYM": code, "XK_XDR_MC": name, "XK_WSH": number})
    return set(numbers)
