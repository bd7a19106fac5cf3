"""Who lives in the demonstration city: its organs, companies, institutions, associations and people. Pure."""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

from demo.identifiers import demo_identity_number, demo_permanent_residence, demo_uscc

HERE: Final = Path(__file__).parent
REGION: Final = "441700"


@dataclass(frozen=True)
class Organ:
    """An organisation that uses the system: provider, agency, court, bank."""

    key: str
    name: str
    uscc: str
    # Its kind, and where it is competent, as the directory says (Art. 6); empty when it is not in the directory.
    kind: str = ""
    region: str = ""

    @property
    def functions(self) -> list[str]:
        """What it does for public credit information."""
        provides = any(self in providers_of(code) for code in catalog())
        return [key for key in ("authority", "centre") if key == self.key] + ["provider"] * provides


@dataclass(frozen=True)
class Person:
    """A natural person; no real person has the number of the document."""

    key: str
    name: str
    identity_number: str
    represents: tuple[str, ...] = ()


@dataclass(frozen=True)
class DemoOrganisation:
    """A company, a public institution or a social organisation that records are about."""

    name: str
    uscc: str
    form: str
    trade: str
    head: Person


@cache
def organs() -> dict[str, Organ]:
    """The organs and utilities by key."""
    return {o["key"]: Organ(**o) for o in json.loads((HERE / "organs.json").read_text())}


@cache
def catalog() -> dict[str, dict[str, Any]]:
    """The contents of the demonstration catalog by entry code."""
    return {p.stem: json.loads(p.read_text()) for p in sorted((HERE / "catalog").glob("*.json"))}


def providers_of(code: str) -> list[Organ]:
    """The organs that supply an entry, in its order."""
    by_uscc = {o.uscc: o for o in organs().values()}
    return [by_uscc[p["uscc"]] for p in catalog()[code]["providers"]]


_PEOPLE: Final = (
    ("li_na", "李娜", date(1896, 3, 12), 2),
    ("wang_qiang", "王强", date(1891, 7, 4), 1),
    ("zhang_wei", "张伟", date(1889, 11, 23), 3),
    ("liu_yang", "刘洋", date(1898, 1, 30), 5),
    ("chen_jing", "陈静", date(1894, 9, 9), 4),
    ("huang_yong", "黄勇", date(1888, 5, 17), 7),
    ("lin_fang", "林芳", date(1897, 12, 1), 6),
    ("ouyang_xue", "欧阳雪", date(1899, 2, 14), 8),
    ("he_jun", "何军", date(1890, 6, 28), 9),
    ("liang_min", "梁敏", date(1893, 4, 19), 10),
    ("xu_tao", "许涛", date(1892, 8, 8), 11),
    ("deng_li", "邓丽", date(1895, 10, 21), 12),
)

# Columns: key of the head, name, form, trade. The first is the company that wang_qiang represents.
_COMPANIES: Final = (
    (
        "wang_qiang",
        "阳江演示食品有限公司",
        "有限责任公司（自然人投资或控股）",
        "食品经营；预包装食品批发与零售；餐饮服务",
    ),
    (
        "zhang_wei",
        "阳江演示建筑工程有限公司",
        "有限责任公司（自然人投资或控股）",
        "房屋建筑工程施工；市政公用工程施工；建筑劳务分包",
    ),
    ("zhang_wei", "阳江演示装饰工程有限公司", "有限责任公司（自然人独资）", "室内外装饰装修；建筑材料销售"),
    (
        "huang_yong",
        "阳江演示刀剪制造股份有限公司",
        "股份有限公司（非上市）",
        "刀剪及类似日用金属工具制造；五金制品研发",
    ),
    (
        "he_jun",
        "阳江演示海产品加工有限公司",
        "有限责任公司（自然人投资或控股）",
        "水产品冷冻加工；水产品批发；冷链仓储",
    ),
    (
        "xu_tao",
        "阳江演示物流运输有限公司",
        "有限责任公司（自然人投资或控股）",
        "道路普通货物运输；道路危险货物运输；仓储服务",
    ),
    ("liu_yang", "阳江演示化工科技有限公司", "有限责任公司（法人独资）", "危险化学品经营；合成材料制造；环保技术咨询"),
    ("lin_fang", "阳江演示旅游开发有限公司", "有限责任公司（国有独资）", "旅游景区管理；酒店管理；旅游项目策划"),
    (
        "liang_min",
        "阳江演示医药连锁有限公司",
        "有限责任公司（自然人投资或控股）",
        "药品零售；医疗器械销售；保健食品销售",
    ),
    ("deng_li", "阳江演示服装贸易有限公司", "有限责任公司（自然人独资）", "服装服饰批发；货物进出口"),
    ("chen_jing", "阳江演示教育咨询有限公司", "有限责任公司（自然人独资）", "教育咨询服务；文化艺术交流活动策划"),
    ("he_jun", "阳江演示渔具制造厂（普通合伙）", "普通合伙企业", "渔具制造与销售"),
    ("xu_tao", "阳江演示汽车维修服务有限公司", "有限责任公司（自然人投资或控股）", "机动车修理和维护；汽车零配件零售"),
    ("liu_yang", "阳江演示新能源有限公司", "有限责任公司（外商投资企业法人独资）", "风力发电；太阳能发电技术服务"),
    ("huang_yong", "阳江演示餐饮管理有限公司", "有限责任公司（自然人投资或控股）", "餐饮管理；食品互联网销售"),
    ("lin_fang", "阳江演示园林绿化有限公司", "有限责任公司（自然人投资或控股）", "园林绿化工程施工；苗木种植"),
)

_INSTITUTIONS: Final = (
    ("liang_min", "阳江演示第一人民医院", "医疗与护理；医学教学与研究；预防保健"),
    ("chen_jing", "阳江演示实验中学", "实施中等学历教育，促进基础教育发展"),
    ("deng_li", "阳江演示图书馆", "收藏文献信息，提供借阅与阅读推广服务"),
    ("ouyang_xue", "阳江演示海洋环境监测站", "海洋环境监测、预警与评价"),
)

_ASSOCIATIONS: Final = (
    ("51", "huang_yong", "阳江演示五金刀剪行业协会", "社会团体"),
    ("51", "he_jun", "阳江演示渔业协会", "社会团体"),
    ("52", "lin_fang", "阳江演示爱心养老服务中心", "民办非企业单位"),
    ("52", "chen_jing", "阳江演示启明幼儿园", "民办非企业单位"),
    ("53", "ouyang_xue", "阳江演示海岸公益基金会", "基金会"),
)


@cache
def people() -> dict[str, Person]:
    """The people by key. Wang Qiang represents the demonstration company, Zhang Wei the two builders."""
    by_key = {}
    for key, name, born, sequence in _PEOPLE:
        represents = tuple(_make_company_uscc(n) for n, c in enumerate(_COMPANIES) if c[0] == key)
        by_key[key] = Person(key, name, demo_identity_number(born, sequence), represents)
    return by_key


@cache
def foreigners() -> dict[str, Person]:
    """People without an identity number, by key: with a permanent residence card, and with a passport of no State."""
    return {
        "anna": Person("anna", "安娜·诺瓦克", demo_permanent_residence(date(1891, 5, 20), 2)),
        "jonas": Person("jonas", "JONAS WEBER", "UTO-E00000007"),
    }


def _make_company_uscc(number: int) -> str:
    return demo_uscc("91", 1001 + number, "MA")


@cache
def companies() -> list[DemoOrganisation]:
    """The companies."""
    return [
        DemoOrganisation(name, _make_company_uscc(number), form, trade, people()[head])
        for number, (head, name, form, trade) in enumerate(_COMPANIES)
    ]


@cache
def institutions() -> list[DemoOrganisation]:
    """The public institutions."""
    return [
        DemoOrganisation(name, demo_uscc("12", 2001 + number), "事业单位法人", purpose, people()[head])
        for number, (head, name, purpose) in enumerate(_INSTITUTIONS)
    ]


@cache
def associations() -> list[DemoOrganisation]:
    """The social organisations."""
    return [
        DemoOrganisation(name, demo_uscc(registrar, 3001 + number), form, "", people()[head])
        for number, (registrar, head, name, form) in enumerate(_ASSOCIATIONS)
    ]


def licence_of(company: DemoOrganisation, organ: Organ) -> dict[str, str]:
    """The items of an administrative licence (XZXK) of a company, for one more delivery."""
    return {
        "XK_XDR_MC": company.name,
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": company.uscc,
        "XK_FRDB": company.head.name,
        "XK_FR_ZJLX": "身份证",
        "XK_FR_ZJHM": company.head.identity_number,
        "XK_XKWS": "食品经营许可决定书",
        "XK_WSH": "演许字〔2026〕1号",
        "XK_XKLB": "普通",
        "XK_XKZS": "食品经营许可证",
        "XK_XKBH": "JY00000000000001",
        "XK_NR": "食品经营（预包装食品销售、热食类食品制售）",
        "XK_JDRQ": "2026-03-02",
        "XK_YXQZ": "2026-03-02",
        "XK_YXQZI": "2099-12-31",
        "XK_XKJG": organ.name,
        "XK_XKJGDM": organ.uscc,
        "XK_ZT": "1",
        "XK_LYDW": organ.name,
        "XK_LYDWDM": organ.uscc,
    }
