"""The Chinese names of the coded values of an entry, for every form and for descriptions of changes."""

from collections.abc import Mapping
from typing import Final

from services.catalog.domain.entry import (
    CrossRuleKind,
    DisclosureRule,
    Extent,
    IdentifierScheme,
    InformationClass,
    ItemType,
    Masking,
    Mode,
    Sensitivity,
    SubjectKind,
    UpdateCycle,
)

# Codes and their Chinese words.
Terms = Mapping[str, str]

YES_NO: Final[Terms] = {"true": "是", "false": "否"}

SUBJECT_KINDS: Final[Terms] = {
    SubjectKind.ENTERPRISE: "企业",
    SubjectKind.PUBLIC_INSTITUTION: "事业单位",
    SubjectKind.SOCIAL_ORGANIZATION: "社会组织",
    SubjectKind.INDIVIDUAL: "个人",
}
INFORMATION_CLASSES: Final[Terms] = {
    InformationClass.BASIC: "基本信息",
    InformationClass.LICENSING_AND_PENALTY: "行政许可与行政处罚信息",
    InformationClass.JUDICIAL: "司法判决信息",
    InformationClass.EVALUATION: "信用评价信息",
    InformationClass.QUALIFICATION: "资质/资格信息",
}
MODES: Final[Terms] = {Mode.PUBLIC: "依法公开", Mode.AUTHORIZED: "授权查询", Mode.SHARED: "行政机关共享"}
# The update cycles and the three ways of sharing are those of 发改高技〔2017〕1272号.
UPDATE_CYCLES: Final[Terms] = {
    UpdateCycle.REALTIME: "实时",
    UpdateCycle.DAILY: "每日",
    UpdateCycle.WEEKLY: "每周",
    UpdateCycle.MONTHLY: "每月",
    UpdateCycle.QUARTERLY: "每季度",
    UpdateCycle.YEARLY: "每年",
}
SHARING: Final[Terms] = {
    Extent.UNCONDITIONAL: "无条件共享",
    Extent.CONDITIONAL: "有条件共享",
    Extent.NONE: "不予共享",
}
OPENNESS: Final[Terms] = {
    Extent.UNCONDITIONAL: "无条件开放",
    Extent.CONDITIONAL: "有条件开放",
    Extent.NONE: "不予开放",
}
TYPES: Final[Terms] = {ItemType.TEXT: "文本", ItemType.DATE: "日期", ItemType.NUMBER: "数值"}
IDENTIFIERS: Final[Terms] = {
    IdentifierScheme.NONE: "无",
    IdentifierScheme.USCC: "统一社会信用代码",
    IdentifierScheme.IDENTITY_NUMBER: "公民身份号码",
    IdentifierScheme.PERMANENT_RESIDENCE: "外国人永久居留身份证号码",
    IdentifierScheme.HK_MACAO_PERMIT: "港澳居民来往内地通行证号码",
    IdentifierScheme.TAIWAN_PERMIT: "台湾居民来往大陆通行证号码",
    IdentifierScheme.PASSPORT: "护照号码",
    IdentifierScheme.PERSONAL_DOCUMENT: "自然人证件号码",
    IdentifierScheme.ORGANISATION_CODE: "组织机构代码",
    IdentifierScheme.REGISTRATION_NUMBER: "工商注册号",
}
SENSITIVITIES: Final[Terms] = {
    Sensitivity.OPEN: "一般",
    Sensitivity.PERSONAL: "个人信息",
    Sensitivity.IDENTIFIER: "个人身份标识",
}
MASKINGS: Final[Terms] = {Masking.NONE: "不脱敏", Masking.NAME: "姓名脱敏", Masking.IDENTIFIER: "标识脱敏"}
DISCLOSURE_RULES: Final[Terms] = {
    DisclosureRule.UNLIMITED: "长期",
    DisclosureRule.YEARS_FROM_ITEM: "自信息项日期起若干年",
    DisclosureRule.UNTIL_ITEM: "至信息项日期",
    DisclosureRule.UNTIL_REVOKED: "至撤销",
}
CROSS_RULES: Final[Terms] = {
    CrossRuleKind.NOT_BEFORE: "不早于",
    CrossRuleKind.NOT_LESS: "不小于",
    CrossRuleKind.REQUIRED_WHEN: "另一项取值时必填",
    CrossRuleKind.FORBIDDEN_WHEN: "另一项取值时不填",
}
