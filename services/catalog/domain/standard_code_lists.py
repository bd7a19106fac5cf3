"""The code lists that a new system starts with; each names the standard or law that it comes from."""

from datetime import date
from typing import Final

from services.catalog.domain.code_list import CodeListContent
from services.catalog.domain.entry import CodeValue, LocalText
from services.catalog.domain.regions import regions

# The year in which the regulation takes effect (Art. 33).
FIRST_DAY: Final = date(2018, 1, 1)

_PENALTY_LAW: Final = "《中华人民共和国行政处罚法》（2021）第九条"
_DOUBLE_PUBLICITY: Final = "行政许可和行政处罚信用信息公示标准（2018）"


def standard_lists() -> tuple[CodeListContent, ...]:
    """Returns all standard code lists, the regions first."""
    name = LocalText("行政区划代码", "Regions")
    return CodeListContent("region", name, tuple(regions()), "GB/T 2260"), *_SHORT_LISTS


def _make_list(name: str, zh: str, en: str, standard: str, *values: tuple[str, str, str]) -> CodeListContent:
    codes = tuple(CodeValue(code, LocalText(value_zh, value_en)) for code, value_zh, value_en in values)
    return CodeListContent(name, LocalText(zh, en), codes, standard)


def _make_named_list(name: str, zh: str, en: str, standard: str, *values: tuple[str, str]) -> CodeListContent:
    """Makes a list whose codes are the Chinese names, as in the national publication standard."""
    return _make_list(name, zh, en, standard, *((value_zh, value_zh, value_en) for value_zh, value_en in values))


_SHORT_LISTS: Final = (
    _make_list(
        *("subject_kind", "信用主体类别", "Kinds of subjects", "《办法》第十三条"),
        ("enterprise", "企业", "Enterprise"),
        ("public_institution", "事业单位", "Public institution"),
        ("social_organization", "社会组织", "Social organisation"),
        ("individual", "个人", "Individual"),
    ),
    _make_named_list(
        *("party_kind", "行政相对人类别", "Kinds of parties", _DOUBLE_PUBLICITY),
        ("法人及非法人组织", "Legal person or unincorporated organisation"),
        ("个体工商户", "Individual business"),
        ("自然人", "Natural person"),
    ),
    _make_named_list(
        *("licence_category", "行政许可类别", "Categories of licences", _DOUBLE_PUBLICITY),
        ("普通", "General"),
        ("特许", "Concession"),
        ("认可", "Accreditation"),
        ("核准", "Approval"),
        ("登记", "Registration"),
        ("其他", "Other"),
    ),
    _make_named_list(
        *("penalty_category", "行政处罚类别", "Categories of penalties", _PENALTY_LAW),
        ("警告", "Warning"),
        ("通报批评", "Public criticism"),
        ("罚款", "Fine"),
        ("没收违法所得", "Confiscation of illegal gains"),
        ("没收非法财物", "Confiscation of illegal property"),
        ("暂扣许可证件", "Suspension of a licence"),
        ("降低资质等级", "Lowering of a qualification"),
        ("吊销许可证件", "Revocation of a licence"),
        ("限制开展生产经营活动", "Restriction of business"),
        ("责令停产停业", "Suspension of business"),
        ("责令关闭", "Closure"),
        ("限制从业", "Restriction from a profession"),
        ("行政拘留", "Administrative detention"),
        ("其他", "Other"),
    ),
    _make_named_list(
        *("document_kind", "证件类型", "Kinds of identity documents", _DOUBLE_PUBLICITY),
        ("身份证", "Identity card"),
        ("护照号", "Passport"),
        ("港澳居民来往内地通行证", "Mainland travel permit for Hong Kong and Macao residents"),
        ("台湾居民来往大陆通行证", "Mainland travel permit for Taiwan residents"),
        ("外国人永久居留身份证", "Foreign permanent resident identity card"),
    ),
)
