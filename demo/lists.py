"""Red and black lists, and judgment defaulters. Pure."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from demo.dates import ago
from demo.world import Organ, associations, companies, institutions, people, providers_of

Items = dict[str, str]

_REFUSES: Final = "有履行能力而拒不履行生效法律文书确定义务"
_HIDES: Final = "以虚假诉讼、虚假仲裁或者以隐匿、转移财产等方法规避执行"
_REPORT: Final = "违反财产报告制度"


def defaulters(since: date) -> Iterator[tuple[Organ, Items]]:
    """Judgment defaulters, companies and people; two were published longer ago than the two years of disclosure."""
    [court] = providers_of("SXBZX")
    bodies = [companies()[i] for i in (2, 6, 12)]
    subjects = [(o.name, o.uscc, "", o.head.name) for o in bodies]
    subjects += [(p.name, "", p.identity_number, "") for p in (people()[k] for k in ("zhang_wei", "xu_tao", "he_jun"))]
    for number, (name, uscc, identity_number, head) in enumerate(subjects, 1):
        past = number in (3, 6)
        year = since.year - (4 if past else 1)
        yield (
            court,
            {
                "SX_MC": name,
                "SX_SHXYM": uscc,
                "SX_ZJHM": identity_number,
                "SX_FRDB": head,
                "SX_ZXFY": court.name,
                "SX_ZXFYDM": court.uscc,
                "SX_AH": f"（{year}）粤演执{1000 + number}号",
                "SX_LARQ": ago(since, 1300 if past else 260 + number),
                "SX_YJWH": f"（{year - 1}）粤演民初{400 + number}号",
                "SX_YJDW": court.name,
                "SX_YW": f"向申请执行人支付货款人民币{120000 + 3500 * number}元及迟延履行期间的债务利息，并承担案件受理费。",
                "SX_LXQK": "部分未履行" if number % 2 else "全部未履行",
                "SX_YLX": "已履行人民币20000元" if number % 2 else "",
                "SX_XWQX": f"{_REFUSES};{_REPORT}" if number % 2 else _HIDES,
                "SX_FBRQ": ago(since, 1200 if past else 200 + number),
            },
        )


def taxpayers_of_grade_a(since: date) -> Iterator[tuple[Organ, Items]]:
    """The red list: last year's, and the year's before, which is past its year of disclosure."""
    [bureau] = providers_of("AJNSR")
    for years in (1, 2):
        for body in (*(companies()[i] for i in (0, 3, 4, 7, 8, 13)), institutions()[0]):
            yield (
                bureau,
                {
                    "NS_MC": body.name,
                    "NS_SBH": body.uscc,
                    "NS_ND": str(since.year - years),
                    "NS_JB": "A",
                    "NS_WH": f"演税信〔{since.year - years + 1}〕1号",
                    "NS_RQ": ago(since, 365 * years - 165),
                    "NS_JG": bureau.name,
                },
            )


def serious_tax_violations(since: date) -> Iterator[tuple[Organ, Items]]:
    """A black list of companies and one person; one is no longer published."""
    [bureau] = providers_of("ZDSSWF")
    subjects = [(o.name, o.uscc, "", o.head.name) for o in (companies()[i] for i in (6, 9, 10))]
    subjects += [(p.name, "", p.identity_number, "") for p in (people()["deng_li"],)]
    for number, (name, uscc, identity_number, head) in enumerate(subjects, 1):
        stopped = number == 3
        yield (
            bureau,
            {
                "SW_MC": name,
                "SW_SHXYM": uscc,
                "SW_ZJHM": identity_number,
                "SW_FRDB": head,
                "SW_AJXZ": ("虚开发票", "偷税", "走逃（失联）", "逃避追缴欠税")[number - 1],
                "SW_WFSS": "经检查，当事人通过隐匿收入、虚列成本等方式少缴税款，" * (60 if number == 1 else 1)
                + "数额较大。",
                "SW_CLYJ": "依照《中华人民共和国税收征收管理法》等有关规定，追缴税款，并处罚款。",
                "SW_WH": f"演税稽确〔{since.year - 1}〕{number}号",
                "SW_QDRQ": ago(since, 330 + number),
                "SW_GBRQ": ago(since, 300 + number),
                "SW_JG": bureau.name,
                "SW_ZT": "停止公布" if stopped else "公布",
                "SW_TZRQ": ago(since, 20) if stopped else "",
            },
        )


def wage_arrears(since: date) -> Iterator[tuple[Organ, Items]]:
    """A black list of wage arrears to migrant workers; one was removed."""
    [bureau] = providers_of("TQNMGGZ")
    subjects = [(o.name, o.uscc, "", o.head.name) for o in (companies()[1], companies()[15], associations()[3])]
    subjects += [(p.name, "", p.identity_number, "") for p in (people()["zhang_wei"],)]
    for number, (name, uscc, identity_number, head) in enumerate(subjects, 1):
        removed = number == 2
        yield (
            bureau,
            {
                "TQ_MC": name,
                "TQ_SHXYM": uscc,
                "TQ_ZJHM": identity_number,
                "TQ_FRDB": head,
                "TQ_SS": "拖欠农民工工资，经责令限期支付逾期仍未支付，数额达到认定拒不支付劳动报酬罪标准。",
                "TQ_RS": str(11 * number),
                "TQ_JE": f"{23 * number}.56",
                "TQ_YJ": "《拖欠农民工工资失信联合惩戒对象名单管理暂行办法》第五条第一项",
                "TQ_WH": f"演人社欠薪列〔{since.year}〕{number}号",
                "TQ_LRRQ": ago(since, 150 + number),
                "TQ_JG": bureau.name,
                "TQ_ZT": "已移出" if removed else "列入",
                "TQ_YCRQ": ago(since, 12) if removed else "",
                "TQ_YCYY": "已改正违法行为并作出信用承诺，经核实提前移出" if removed else "",
            },
        )
