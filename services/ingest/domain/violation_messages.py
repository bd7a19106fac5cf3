"""Messages for the person who delivered a record: what is wrong and how to mend it, in both languages."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.ingest.domain.catalog_entry import DeliveryItem

_SHOWN_CODES: Final = 20


class BothLanguages(NamedTuple):
    """A text in both languages."""

    zh: str
    en: str


def message_of(rule: str, **words: object) -> BothLanguages:
    """Returns the message of a rule; each `BothLanguages` among the words appears in the language of the message."""
    zh, en = _MESSAGES[rule]
    return BothLanguages(
        zh.format(**{k: w.zh if isinstance(w, BothLanguages) else w for k, w in words.items()}),
        en.format(**{k: w.en if isinstance(w, BothLanguages) else w for k, w in words.items()}),
    )


def named(item: DeliveryItem) -> BothLanguages:
    """Returns an item's name with its code."""
    zh, en = item.name.zh, item.name.en or item.name.zh
    return BothLanguages(f"“{zh}”（{item.code}）" if zh else item.code, f"“{en}” ({item.code})" if en else item.code)


def listed(items: Sequence[DeliveryItem]) -> BothLanguages:
    """Returns the names of several items."""
    names = [named(item) for item in items]
    return BothLanguages("、".join(n.zh for n in names), ", ".join(n.en for n in names))


def permitted(item: DeliveryItem) -> BothLanguages:
    """Returns the first values of an item's code list, with their names where these differ from the codes."""
    shown = item.code_list[:_SHOWN_CODES]
    more = "…" if len(item.code_list) > _SHOWN_CODES else ""
    zh = [f"{v.code}（{v.name.zh}）" if v.name.zh not in ("", v.code) else v.code for v in shown]
    en = [f"{v.code} ({v.name.en})" if v.name.en not in ("", v.code) else v.code for v in shown]
    return BothLanguages("、".join(zh) + more, ", ".join(en) + more)


# Rules with their messages: (Chinese, English). `{item}` is the item's name and code; other words depend on the rule.
_MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "unknown_item": (
        "目录条目中没有信息项“{item}”，请按目录核对列名或删除该列",
        "the catalog entry has no item “{item}”; check the column against the catalog or remove it",
    ),
    "required": ("{item}为必填项，请补充", "{item} is required; supply it"),
    "length": (
        "{item}共 {actual} 个字符，超过上限 {limit}，请缩短",
        "{item} has {actual} characters, the limit is {limit}; shorten it",
    ),
    "characters": (
        "{item}含有不可见、空白、改变文字方向、私用区或未分配的字符（{found}），请删除，或改用标准字符；U+FFFD 表示原字符已在转换中丢失，"
        "请按原件重新录入",
        "{item} holds characters that are invisible or blank, change the direction of text, are of private use or not"
        " assigned ({found}); remove them, or use standard ones. U+FFFD stands for a character that a conversion lost:"
        " enter it again from the original",
    ),
    "name.letters": (
        "{item}没有文字，只有符号或数字，不是名称或姓名，请按证照填写",
        "{item} has signs or digits alone and no letter, so it is no name; write it as on the licence or document",
    ),
    "name.masked": (
        "{item}的一部分已被星号等符号遮盖，请填写全称或全名；公开时由系统按目录遮盖",
        "a part of {item} is masked by stars or other signs; write the whole name, which the system masks where the catalog"
        " says so",
    ),
    "code_list": (
        "{item}的值不在代码表中，可用值：{permitted}",
        "{item} is not in the code list; permitted: {permitted}",
    ),
    "pattern": (
        "{item}的格式不符合要求（{pattern}），请核对",
        "{item} does not have the required form ({pattern}); check it",
    ),
    "date": (
        "{item}不是有效的公历日期，请写作 YYYY-MM-DD，例如 2024-01-05；长期请写 2099-12-31",
        "{item} is not a date of the calendar; write YYYY-MM-DD, for example 2024-01-05; open-ended is 2099-12-31",
    ),
    "date.future": (
        "{item}晚于报送日 {today}，此项为已发生之事的日期，请核对后重新填写",
        "{item} is after the day of delivery, {today}, but says when something happened; check the date",
    ),
    "date.early": (
        "{item}早于 1900 年，登记和决定没有这样早的，可能是录入或转换有误，请核对后重新填写",
        "{item} is before 1900, and nothing on record is so old; perhaps it was mistyped or badly converted: check it",
    ),
    "date.serial": (
        "{item}是电子表格的日期序号，可能是 {meant}；请将该列设为日期或文本格式后重新填写",
        "{item} is a spreadsheet's serial number, perhaps {meant}; format the column as date or text and enter it again",
    ),
    "spreadsheet_number": (
        "{item}被电子表格当作数字四舍五入（科学计数法，或超过所能保存的 15 位），末尾数字已丢失或不可靠；编号请将该列设为文本格式后重新填写，"
        "公式算出的数值请四舍五入到所需位数",
        "{item} was rounded by a spreadsheet as a number (exponent form, or more than the 15 digits that it keeps), so its"
        " last digits are lost or not to be relied on; format a column of numbers of documents as text and enter them again,"
        " and round what a formula computed",
    ),
    "spreadsheet_mark": (
        '{item}带有电子表格用来保留文本的写法（开头的撇号 \'、` 或等号，="…" 或引号），请去掉这些符号，只保留其中的值',
        '{item} is written as a spreadsheet is told to keep a text (an apostrophe \', ` or = before it, ="…" or quotes); take these signs'
        " off and leave the value alone",
    ),
    "number.format": (
        "{item}不是数值，请只写数字和小数点，例如 1250.5",
        "{item} is not a number; write digits and a decimal point only, for example 1250.5",
    ),
    "number.length": (
        "{item}共 {actual} 位数字，超过上限 {limit}，请核对",
        "{item} has {actual} digits, the limit is {limit}; check it",
    ),
    "number.scale": (
        "{item}有 {actual} 位小数，最多 {limit} 位，请核对单位或四舍五入",
        "{item} has {actual} decimal places, the limit is {limit}; check the unit or round it",
    ),
    "uscc.length": (
        "{item}应为 18 位统一社会信用代码，实为 {actual} 位，请核对",
        "{item} must be a unified social credit code of 18 characters, it has {actual}; check it",
    ),
    "uscc.format": (
        "{item}含有统一社会信用代码不使用的字符（不用 I、O、S、V、Z，第 3 至 8 位为数字），请核对",
        "{item} holds characters that no unified social credit code has (no I, O, S, V, Z; the 3rd to 8th are digits)",
    ),
    "uscc.registrar": (
        "{item}的第 1 位不是登记管理部门代码（1 至 9、A、N、Y），或第 2 位不是机构类别代码（1 至 9），请与证照核对（GB 32100）",
        "the 1st character of {item} is no registrar (1 to 9, A, N, Y), or the 2nd no category (1 to 9); compare with the"
        " licence (GB 32100)",
    ),
    "uscc.check_digit": (
        "{item}的校验码（第 18 位）不正确，至少有一位填错，请与证照核对（GB 32100）",
        "the check digit (18th) of {item} is wrong, so at least one character is; compare with the licence (GB 32100)",
    ),
    "uscc.organisation_code": (
        "{item}第 9 至 17 位的组织机构代码校验码（第 17 位）不正确，至少有一位填错，请与证照核对（GB 32100、GB 11714）",
        "the organisation code in {item} (9th to 17th) has a wrong check digit, so at least one character is wrong; compare"
        " with the licence (GB 32100, GB 11714)",
    ),
    "identity_number.length": (
        "{item}应为 18 位公民身份号码，实为 {actual} 位，请核对",
        "{item} must be an identity number of 18 characters, it has {actual}; check it",
    ),
    "identity_number.fifteen_digits": (
        "{item}是 15 位旧号码，已停止使用且没有校验码，请改填 18 位公民身份号码（GB 11643）",
        "{item} is an old number of 15 digits, which is no longer in use and has no check digit; give the number of 18"
        " (GB 11643)",
    ),
    "identity_number.format": (
        "{item}应为 17 位数字加校验码（数字或 X），请核对",
        "{item} must be 17 digits and a check digit (digit or X); check it",
    ),
    "identity_number.check_digit": (
        "{item}的校验码（第 18 位）不正确，至少有一位填错，请与证件核对（GB 11643）",
        "the check digit (18th) of {item} is wrong, so at least one character is; compare with the card (GB 11643)",
    ),
    "identity_number.birth_date": (
        "{item}中的出生日期（第 7 至 14 位）不存在、晚于今天或早于 1870 年，请与证件核对",
        "the date of birth in {item} (7th to 14th) does not exist, is after today or before 1870; compare with the card",
    ),
    "identity_number.region": (
        "{item}中的地区码（第 1 至 2 位）不存在，请与证件核对",
        "the region in {item} (first two digits) does not exist; compare with the card",
    ),
    "identity_number.dashes": (
        "{item}中有连字符，公民身份号码的各位须连续书写，请去掉连字符，不要缩短号码",
        "{item} has hyphens; an identity number is written without them: take them out, and leave its digits as they are",
    ),
    "personal_document.passport": (
        "{item}如为护照，请在护照号前写明签发国的 3 位字母代码和连字符，例如 CHN-E00000000（两国的护照可能同号）；如为其他证件，"
        "位数或形式不对，请与证件核对",
        "{item}: if it is a passport, write the three letters of the State that issued it and a hyphen before its number, for"
        " example CHN-E00000000 (two States may give the same number); if it is another document, its number has not"
        " this form: compare with the document",
    ),
    "personal_document.form": (
        "{item}（{actual} 位）不是证件号码的形式：公民身份号码 18 位；外国人永久居留身份证 18 位或 15 位；港澳通行证为 H 或 M 加 8 位数字；"
        "台湾通行证 8 位数字；护照为签发国的 3 位字母代码、连字符和护照号，例如 CHN-E00000000。请与证件核对",
        "{item} ({actual} characters) has the form of no document's number: identity number 18; permanent residence card 18"
        " or 15; travel permit of Hong Kong or Macao H or M and 8 digits, of Taiwan 8 digits; passport the three letters of"
        " the State that issued it, a hyphen and its number, for example CHN-E00000000; compare with the document",
    ),
    "permanent_residence.length": (
        "{item}应为 18 位（2023 年前签发的为 15 位）外国人永久居留身份证号码，实为 {actual} 位，请核对",
        "{item} must be a number of a foreigner's permanent residence card of 18 characters (15 before 2023), it has"
        " {actual}; check it",
    ),
    "permanent_residence.format": (
        "{item}应为 9 开头的 18 位号码（9、省级代码、国籍代码、出生日期、顺序码、校验码），或 3 位国家字母代码加 12 位数字，请与证件核对",
        "{item} must be 18 characters from 9 on (9, province, country, date of birth, sequence, check digit), or three"
        " letters of the country and 12 digits; compare with the card",
    ),
    "permanent_residence.check_digit": (
        "{item}的校验码（第 18 位）不正确，至少有一位填错，请与证件核对",
        "the check digit (18th) of {item} is wrong, so at least one character is; compare with the card",
    ),
    "permanent_residence.birth_date": (
        "{item}中的出生日期不存在、晚于今天或早于 1870 年，请与证件核对",
        "the date of birth in {item} does not exist, is after today or before 1870; compare with the card",
    ),
    "permanent_residence.state": (
        "{item}中的国籍（开头 3 个字母，或 9 开头的号码第 4 至 6 位）不是中国以外任何国家或地区的代码（ISO 3166-1、ICAO 9303），请与证件核对；"
        "中国公民（含港澳台居民）请填其本人的证件号码",
        "the country in {item} (the first three letters, or the 4th to 6th digit after a 9) is none other than China (ISO"
        " 3166-1, ICAO Doc 9303); compare with the card; citizens of China, with Hong Kong, Macao and Taiwan, have other"
        " documents",
    ),
    "hk_macao_permit.format": (
        "{item}应为 H 或 M 加 8 位数字（港澳居民来往内地通行证；末尾 2 位换证次数可不填），请与证件核对",
        "{item} must be H or M and 8 digits (mainland travel permit for residents of Hong Kong and Macao; the two digits of"
        " its renewals may be left out); compare with the permit",
    ),
    "taiwan_permit.format": (
        "{item}应为 8 位数字（台湾居民来往大陆通行证），请与证件核对",
        "{item} must be 8 digits (mainland travel permit for residents of Taiwan); compare with the permit",
    ),
    "passport.format": (
        "{item}应为签发国的 3 位字母代码、连字符和 5 至 9 位护照号，例如 CHN-E00000000（两国的护照可能同号），请与护照核对",
        "{item} must be the three letters of the State that issued the passport, a hyphen and its number of 5 to 9"
        " characters, for example CHN-E00000000 (two States may give the same number); compare with the passport",
    ),
    "passport.state": (
        "{item}开头的 3 个字母不是任何国家或地区的代码（ISO 3166-1、ICAO 9303），请与护照核对；德国为 DEU",
        "the three letters at the beginning of {item} are no State's (ISO 3166-1, ICAO Doc 9303); compare with the passport;"
        " Germany is DEU",
    ),
    "organisation_code.length": (
        "{item}应为 9 位组织机构代码，实为 {actual} 位，请核对",
        "{item} must be an organisation code of 9 characters, it has {actual}; check it",
    ),
    "organisation_code.format": (
        "{item}应为 8 位数字或大写字母加校验码，请核对",
        "{item} must be 8 digits or capitals and a check digit; check it",
    ),
    "organisation_code.check_digit": (
        "{item}的校验码（第 9 位）不正确，请核对（GB 11714）",
        "the check digit (9th) of {item} is wrong; check it (GB 11714)",
    ),
    "persons_number": (
        "{item}中是个人的号码（身份证件、手机或银行卡号码），此项对外公开，只能填组织的登记号码或数值；请改填，或留空并填写统一社会信用代码。"
        "15 位注册号的末位为校验码（GS 15-2006），请与执照核对",
        "{item} holds a person's number (of an identity document, telephone or bank card), but everybody sees it, and it is for"
        " the number of an organisation, or an amount: correct it, or leave it empty and give the credit code. The last of the"
        " 15 digits of a business registration number is a check digit (GS 15-2006); compare with the licence",
    ),
    "required_one_of": (
        "{items}至少填一项",
        "at least one of {items} is required",
    ),
    "not_before": (
        "{item}早于{other}，请核对两个日期",
        "{item} is before {other}; check both dates",
    ),
    "not_less": (
        "{item}小于{other}，请核对两个数值",
        "{item} is less than {other}; check both numbers",
    ),
    "forbidden_when": (
        "{other}含“{values}”时不得填写{item}，请删除该项或核对{other}",
        "{item} must be empty when {other} has “{values}”; remove it, or check {other}",
    ),
    "required_when": (
        "{other}含“{values}”时，{item}为必填项，请补充",
        "{item} is required when {other} has “{values}”; supply it",
    ),
    "subject": (
        "无法确定信用主体，请填写{items}中的一项",
        "the subject cannot be told; supply one of {items}",
    ),
    "subject.two": (
        "{organisations}表示组织，{persons}表示自然人，一条记录只能有一个信用主体：请只保留本记录所指主体的标识，删除另一类；"
        "两者都是主体的，请分两条报送",
        "{organisations} stand for an organisation, {persons} for a person, and a record is about one subject: keep what"
        " identifies the one that it is about and leave out the other; if it is about both, deliver two records",
    ),
    "natural_key": (
        "标识本条记录的信息项（{items}）全部为空，请至少填一项",
        "the items that identify the record ({items}) are all empty; supply at least one",
    ),
    "example": (
        "{item}是模板中的填报示例，不是实际信息，请删除该行",
        "{item} is that of the template's example, which is about nobody; remove the row",
    ),
    "record.revoked": (
        "该记录已被撤销，不能重新报送；如撤销有误，请联系信用中心",
        "the record was revoked and cannot be delivered again; if that was a mistake, contact the credit centre",
    ),
}

RULES: Final = frozenset(_MESSAGES)
