"""The words of the audit service's pages, in both languages."""

from typing import Final

from chengxin.http.page_shell import Words

WORDS: Final[Words] = {
    "accesses.title": ("谁查询过我的信用信息", "Who looked at your records"),
    "accesses.hint": (
        "每一次查询和每一项与您有关的决定都在此列出，最新的在前；时间为北京时间。记录写入后不能更改。",
        "Every query of your records and every decision about you, newest first, in Beijing time. What is listed cannot "
        "be changed afterwards.",
    ),
    "accesses.none": ("没有更多记录。", "There is nothing more on record."),
    "accesses.newest": ("回到最新", "Back to the newest"),
    "accesses.older": ("更早的记录", "Older ones"),
    "accesses.reference": ("日志编号", "Reference in the log"),
    "accesses.objection": (
        "认为某次查询没有依据的，可凭日志编号向阳江市信用中心反映。",
        "If a query seems to have no basis, tell the Yangjiang Credit Centre its reference in the log.",
    ),
}
