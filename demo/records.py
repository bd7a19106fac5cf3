"""Records of every entry of the demonstration catalog, dated by the day on which the world was made. Pure.

All are made up. Each builder covers the cases of its entry: in force and expired, short and long, clean and not.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from demo.dates import OPEN_ENDED, ago, ahead
from demo.decisions import company_licences, company_penalties, personal_licences, personal_penalties
from demo.lists import defaulters, serious_tax_violations, taxpayers_of_grade_a, wage_arrears
from demo.world import (
    DemoOrganisation,
    Organ,
    associations,
    companies,
    foreigners,
    institutions,
    organs,
    people,
    providers_of,
)

Items = dict[str, str]
Builder = Callable[[date], Iterable[tuple[Organ, Items]]]


@dataclass(frozen=True)
class DemoDelivery:
    """What one provider delivers under one entry; the id is the same each time."""

    entry_code: str
    provider: Organ
    records: tuple[Items, ...]

    @property
    def submission_id(self) -> str:
        """`demo-<entry>-<provider>`."""
        return f"demo-{self.entry_code}-{self.provider.key}"


def deliveries(since: date) -> list[DemoDelivery]:
    """Everything that the providers deliver, in order of entry and provider. Empty values are left out."""
    all_deliveries = []
    for code, builder in BUILDERS.items():
        by_provider: dict[str, list[Items]] = {}
        for organ, items in builder(since):
            by_provider.setdefault(organ.key, []).append({k: v for k, v in items.items() if v})
        all_deliveries += [DemoDelivery(code, organs()[key], tuple(records)) for key, records in by_provider.items()]
    return all_deliveries


def _registrations(since: date) -> Iterator[tuple[Organ, Items]]:
    [registrar] = providers_of("QYDJ")
    states = ("存续", "存续", "在业", "存续", "存续", "存续", "吊销", "存续", "在业", "停业", "注销", "存续")
    for number, company in enumerate(companies()):
        founded = ago(since, 900 + 217 * number)
        yield (
            registrar,
            {
                "TYSHXYDM": company.uscc,
                "ZTMC": company.name,
                "ZTLX": company.form,
                "DJJG": registrar.name,
                "DJZT": states[number % len(states)],
                "CLRQ": founded,
                "HZRQ": ago(since, 30 + 41 * number),
                "YYQXZ": founded,
                "YYQXZI": OPEN_ENDED if number % 3 else ahead(since, 3650),
                "ZCZB": f"{(number + 1) * 500000}",
                "BZ": "人民币" if number % 5 else "",
                "JYFW": _make_scope(company, repeated=40 if number == 3 else 1),
            },
        )


def _make_scope(company: DemoOrganisation, repeated: int) -> str:
    licensed = "（依法须经批准的项目，经相关部门批准后方可开展经营活动）"
    return "；".join([f"{company.trade}"] * repeated) + licensed


def _institutions(since: date) -> Iterator[tuple[Organ, Items]]:
    [office] = providers_of("SYDWDJ")
    for number, unit in enumerate(institutions()):
        yield (
            office,
            {
                "SY_SHXYM": unit.uscc,
                "SY_MC": unit.name,
                "SY_FRDB": unit.head.name,
                "SY_ZZ": unit.trade,
                "SY_ZS": f"广东省阳江市江城区演示路{number + 1}号",
                "SY_JFLY": "财政补助、非财政补助" if number == 0 else "财政补助",
                "SY_KBZJ": f"{1200 + 310 * number}.5",
                "SY_JBDW": ("阳江市卫生健康局", "阳江市教育局", "阳江市文化广电旅游体育局", "阳江市生态环境局")[number],
                "SY_ZT": "正常",
                "SY_ZSH": f"事证第1441700{number + 1:05d}号",
                "SY_YXQZ": ago(since, 400),
                "SY_YXQZI": ahead(since, 1400),
                "SY_HZRQ": ago(since, 400 - number),
                "SY_DJJG": office.name,
            },
        )


def _inspections(since: date) -> Iterator[tuple[Organ, Items]]:
    [civil_affairs] = providers_of("SHZZNJ")
    for number, body in enumerate(associations()):
        # The oldest is past its three years.
        for years in (1, 2, 5):
            verdict = ("合格", "合格", "基本合格", "不合格", "合格")[(number + years) % 5]
            yield (
                civil_affairs,
                {
                    "NJ_MC": body.name,
                    "NJ_SHXYM": body.uscc,
                    "NJ_LX": body.form,
                    "NJ_ND": str(since.year - years),
                    "NJ_JL": verdict,
                    "NJ_WT": "" if verdict == "合格" else "未按章程规定召开会员大会；财务报告未经理事会审议。",
                    "NJ_WH": f"阳演民社检〔{since.year - years}〕{number + 1}号",
                    "NJ_RQ": ago(since, 365 * years - 40),
                    "NJ_JG": civil_affairs.name,
                },
            )


def _insurance(since: date) -> Iterator[tuple[Organ, Items]]:
    [fund] = providers_of("SBJF")
    bodies = [(o.name, o.uscc, "") for o in (*companies()[:6], institutions()[0], associations()[2])]
    persons = [(p.name, "", p.identity_number) for p in list(people().values())[:6]]
    for number, (name, uscc, identity_number) in enumerate([*bodies, *persons]):
        owing = number in (1, 5)
        yield (
            fund,
            {
                "SB_MC": name,
                "SB_SHXYM": uscc,
                "SB_ZJHM": identity_number,
                "SB_BH": f"441700{number + 1:06d}",
                "SB_XZ": "养老;医疗;失业;工伤" if uscc else "养老;医疗",
                "SB_ZT": "欠缴" if owing else "正常缴费",
                "SB_QJE": f"{18000 + 250 * number}.75" if owing else "",
                "SB_JZRQ": ago(since, 25),
                "SB_DH": f"演社核〔{since.year}〕{number + 1}号",
                "SB_HDRQ": ago(since, 20 if number != 4 else 800),
                "SB_JG": fund.name,
            },
        )


def _arrears(since: date) -> Iterator[tuple[Organ, Items]]:
    kinds = dict(zip(("water_utility", "power_utility", "gas_utility"), ("水费", "电费", "燃气费"), strict=True))
    bodies = [(o.name, o.uscc, "") for o in (companies()[1], companies()[14], companies()[4])]
    # The utilities' customer goes by another name than the one in the register: both are shown (Art. 12).
    bodies[1] = ("阳江演示餐饮服务部", companies()[14].uscc, "")
    persons = [(p.name, "", p.identity_number) for p in list(people().values())[:3]]
    for utility in providers_of("SDQQF"):
        for number, (name, uscc, identity_number) in enumerate([*bodies, *persons]):
            paid = number == 2
            yield (
                utility,
                {
                    "QF_MC": name,
                    "QF_SHXYM": uscc,
                    "QF_ZJHM": identity_number,
                    "QF_LB": kinds[utility.key],
                    "QF_HH": f"{utility.key[0].upper()}{number + 1:08d}",
                    "QF_DH": f"演催〔{since.year}〕{number + 1}号",
                    "QF_ZQ": ago(since, 95),
                    "QF_JE": f"{230 + 1180 * number}.4",
                    "QF_CJRQ": ago(since, 60),
                    "QF_DW": utility.name,
                    "QF_ZT": "已缴清" if paid else "欠费",
                    # Once it is paid, the notice is no longer shared.
                    "QF_JQRQ": ago(since, 10) if paid else "",
                },
            )


def _abnormal_operations(since: date) -> Iterator[tuple[Organ, Items]]:
    [regulator] = providers_of("JYYC")
    reasons = ("未按规定公示年度报告", "通过登记的住所或者经营场所无法联系", "公示企业信息隐瞒真实情况、弄虚作假")
    for number, company in enumerate([companies()[i] for i in (2, 6, 9, 11)]):
        removed = number == 3
        yield (
            regulator,
            {
                "JY_MC": company.name,
                "JY_SHXYM": company.uscc,
                "JY_LRWH": f"演市监异〔{since.year - 1}〕{number + 1}号",
                "JY_LRRQ": ago(since, 300 + 30 * number),
                "JY_LRYY": reasons[number % len(reasons)],
                "JY_LRJG": regulator.name,
                "JY_ZT": "已移出" if removed else "列入",
                "JY_YCRQ": ago(since, 15) if removed else "",
                "JY_YCYY": "已补报未报年份的年度报告并公示" if removed else "",
                "JY_YCJG": regulator.name if removed else "",
            },
        )


def _construction_qualifications(since: date) -> Iterator[tuple[Organ, Items]]:
    [bureau] = providers_of("JZZZ")
    rows = (
        (1, "施工总承包", "乙级", -1500),
        (1, "专业承包", "不分等级", 60),
        (2, "专业承包", "甲级", -900),
        (2, "专业作业", "不分等级", -200),
        (15, "专业承包", "乙级", -1200),
    )
    for number, (company_number, category, grade, days_since_expiry) in enumerate(rows, 1):
        issued = 1700 if days_since_expiry > 0 else 300
        yield (
            bureau,
            {
                "JZ_MC": companies()[company_number].name,
                "JZ_SHXYM": companies()[company_number].uscc,
                "JZ_LB": category,
                "JZ_DJ": grade,
                "JZ_ZSBH": f"D244{number:06d}",
                "JZ_FZRQ": ago(since, issued),
                "JZ_YXQZI": ago(since, days_since_expiry),
                "JZ_FZJG": bureau.name,
            },
        )


_PRACTICES: Final = (
    ("li_na", "health_commission", "护士", "护理", "阳江演示第一人民医院", "有效", 1000),
    ("li_na", "education_bureau", "教师", "职业学校教师资格：护理专业", "", "有效", 9000),
    ("liang_min", "health_commission", "医师", "内科专业", "阳江演示第一人民医院", "有效", 1600),
    ("he_jun", "health_commission", "医师", "外科专业", "", "吊销", 1200),
    ("chen_jing", "education_bureau", "教师", "高级中学教师资格：语文", "阳江演示实验中学", "有效", 9000),
    ("ouyang_xue", "education_bureau", "教师", "初级中学教师资格：数学", "阳江演示实验中学", "有效", 9000),
    ("xu_tao", "justice_bureau", "律师", "专职律师", "阳江演示律师事务所", "有效", 700),
    ("deng_li", "justice_bureau", "律师", "兼职律师", "", "注销", -40),
)


def _practices(since: date) -> Iterator[tuple[Organ, Items]]:
    for number, (key, organ, category, scope, employer, state, days_left) in enumerate(_PRACTICES, 1):
        person = people()[key]
        yield (
            organs()[organ],
            {
                "ZY_XM": person.name,
                "ZY_ZJHM": person.identity_number,
                "ZY_LB": category,
                "ZY_ZSBH": f"演证{since.year - 2}{number:06d}",
                "ZY_FW": scope,
                "ZY_JGMC": employer,
                "ZY_FZRQ": ago(since, 730),
                "ZY_YXQZ": ago(since, 730),
                "ZY_YXQZI": ahead(since, days_left),
                "ZY_FZJG": organs()[organ].name,
                "ZY_ZT": state,
                "ZY_ZXRQ": "" if state == "有效" else ago(since, 45),
            },
        )


def _honours(since: date) -> Iterator[tuple[Organ, Items]]:
    league, civil_affairs = providers_of("ZYFWRY")
    citizens = [people()[key] for key in ("li_na", "liu_yang", "chen_jing", "lin_fang", "ouyang_xue", "wang_qiang")]
    for number, person in enumerate([*citizens, *foreigners().values()], 1):
        organ = civil_affairs if number % 3 == 0 else league
        # One was awarded longer ago than the five years of disclosure.
        day = since - timedelta(days=120 * number if person.key != "wang_qiang" else 2200)
        yield (
            organ,
            {
                "RY_XM": person.name,
                "RY_ZJHM": person.identity_number,
                "RY_MC": "优秀志愿者" if number % 2 else "五星级志愿者",
                "RY_JB": ("市级", "省级", "县级")[number % 3],
                "RY_SC": f"{180 + 65 * number}.5",
                "RY_WH": f"阳演青志〔{day.year}〕{number}号",
                "RY_RQ": day.isoformat(),
                "RY_JG": organ.name,
            },
        )


BUILDERS: Final[dict[str, Builder]] = {
    "QYDJ": _registrations,
    "SYDWDJ": _institutions,
    "SHZZNJ": _inspections,
    "XZXK": company_licences,
    "XKGR": personal_licences,
    "XZCF": company_penalties,
    "CFGR": personal_penalties,
    "SXBZX": defaulters,
    "JYYC": _abnormal_operations,
    "AJNSR": taxpayers_of_grade_a,
    "ZDSSWF": serious_tax_violations,
    "TQNMGGZ": wage_arrears,
    "JZZZ": _construction_qualifications,
    "ZYZG": _practices,
    "ZYFWRY": _honours,
    "SBJF": _insurance,
    "SDQQF": _arrears,
}
