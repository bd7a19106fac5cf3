"""Messages for the person who compiles an entry: what is wrong and how to mend it, in both languages."""

from typing import Final

# Rules with their messages: (Chinese, English).
_MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "code.format": (
        "条目代码应为 2 到 32 位大写字母、数字或下划线，以字母开头",
        "an entry code has 2 to 32 capitals, digits or underscores and begins with a letter",
    ),
    "text.missing": ("请填写中文内容", "give the Chinese text"),
    "text.long": ("不能超过 {limit} 个字符", "at most {limit} characters"),
    "text.personal_number": (
        "不得含有身份证号、银行卡号或电话号码，请删去",
        "holds an identity, bank card or telephone number; leave it out",
    ),
    "text.unprintable": (
        "含有换行、控制字符或看不见的字符（{found}），请删除；U+FFFD 表示原字符已丢失，请重新录入",
        "holds line breaks, control characters or characters that nobody sees ({found}); remove them; where U+FFFD stands"
        " a character was lost, enter it again",
    ),
    "text.spaces": ("首尾有空格，请删除", "has white space before or after it; remove it"),
    "item.number_only": ("只能用于数值类信息项", "is for number items only"),
    "item.date_only": ("只能用于日期类信息项", "is for date items only"),
    "resource_code": (
        "政务信息资源代码应为“类目代码/顺序号”，例如 306001/1",
        "a resource code is a category code, a slash and a sequence number, for example 306001/1",
    ),
    "region.unknown": (
        "“{value}”不在现行行政区划代码表中，请按 code-lists/region 填写 6 位代码（GB/T 2260）",
        "“{value}” is not in the region code list in force; write a code of 6 digits from code-lists/region (GB/T 2260)",
    ),
    "provider.closed": (
        "机构名录中 {value} 已停用，请改为承接其职能的机构",
        "the directory says that {value} is closed; name who has its functions now",
    ),
    "telephone": (
        "电话只能含数字、空格、加号、连字符和括号",
        "a telephone number has digits, spaces, +, - and brackets",
    ),
    "code_list.unknown": (
        "没有已发布的代码表“{value}”（版本 {version}）",
        "there is no published code list “{value}” (version {version})",
    ),
    "code_list.differs": (
        "引用代码表“{value}”时请留空 code_list，或与该版本的代码完全一致",
        "beside the reference to “{value}” leave code_list empty, or give exactly the values of that version",
    ),
    "empty": ("至少填一项", "give at least one"),
    "duplicate": ("“{value}”重复", "“{value}” appears twice"),
    "unknown_item": ("条目中没有信息项“{value}”", "the entry has no item “{value}”"),
    "uscc": (
        "“{value}”不是有效的统一社会信用代码，请与证照核对（GB 32100）",
        "“{value}” is not a valid unified social credit code; compare with the licence (GB 32100)",
    ),
    "attribute.condition": ("属性为“有条件”时须写明条件", "say under which condition"),
    "attribute.contradiction": (
        "公开方式含“{value}”，与该属性为“不予”矛盾",
        "the entry has mode {value}, which this attribute rules out",
    ),
    "mode.unused": (
        "没有信息项使用公开方式“{value}”，请删除该方式或为信息项指定",
        "no item is shown in mode {value}; remove the mode or give it to items",
    ),
    "mode.outside_entry": (
        "公开方式“{value}”不在条目的公开方式之内",
        "mode {value} is not among the modes of the entry",
    ),
    "item.code.format": (
        "信息项代码应为 1 到 64 位字母、数字或下划线，以字母开头",
        "an item code has 1 to 64 letters, digits or underscores and begins with a letter",
    ),
    "item.length": (
        "{type}的长度应为 {least} 到 {most}",
        "the length of a {type} is {least} to {most}",
    ),
    "item.scale": (
        "小数位数应为 0 到总位数之间，仅用于数值",
        "decimal places are 0 up to the number of digits, for numbers only",
    ),
    "item.text_only": ("只能用于文本类信息项", "is for text items only"),
    "code_list.too_long": (
        "代码“{value}”超过信息项长度 {limit}",
        "the code “{value}” is longer than the item's {limit} characters",
    ),
    "code_list.separator": (
        "可多选的代码不能含分号：“{value}”",
        "codes that can be joined must not hold “;”: “{value}”",
    ),
    "multiple.without_code_list": ("多选须有代码表", "several values need a code list"),
    "identifier.length": (
        "长度至少为 {least}，否则装不下该代码",
        "the length must be at least {least} for this identifier",
    ),
    "identifier.sensitivity": (
        "自然人证件号码的敏感级别必须为“个人身份标识”（identifier，加密存储）",
        "a number of a person's document must have sensitivity identifier (encrypted at rest)",
    ),
    "identifier.public": (
        "个人身份标识不得依法公开，请从公开方式中去掉“依法公开”（public）",
        "a personal identifier must never be public; remove mode public",
    ),
    "identifier.masking": (
        "个人身份标识在共享时必须脱敏，脱敏须为“标识脱敏”（masking 为 identifier）",
        "a personal identifier must be masked when shared (masking identifier)",
    ),
    "masking.undone": (
        "条目 {entries} 公开时对个人姓名脱敏，本条目公开个人全名将使其失去作用；请将脱敏设为“姓名脱敏”（masking 为 name），或从公开方式中去掉“依法公开”（public）",
        "entries {entries} mask persons' names in public, which this entry would undo; set masking name, or remove mode public",
    ),
    "masking.representative": (
        "法定代表人、负责人等姓名是单位依法公示的登记事项，在此脱敏不起作用；请去掉脱敏（masking 为空），或从该信息项的公开方式中去掉“依法公开”（public）",
        "representatives of organisations are public by law with the registration, so a mask here hides nothing; remove the masking, or mode public from this item",
    ),
    "identifier.code_list": ("代码表与标识校验不能同时使用", "a code list and a checked identifier exclude each other"),
    "pattern.too_long": ("正则表达式不能超过 200 个字符", "a pattern has at most 200 characters"),
    "pattern.syntax": ("正则表达式有语法错误", "the pattern is not a regular expression"),
    "pattern.unsupported": (
        "正则表达式不能使用环视、反向引用、内联标志或占有量词",
        "a pattern must not use lookaround, backreferences, inline flags or possessive quantifiers",
    ),
    "pattern.catastrophic": (
        "该正则表达式匹配长文本时可能耗时过长，请减少嵌套或不限次数的重复",
        "the pattern may take too long on long texts; use fewer nested or unbounded repeats",
    ),
    "subject_id.kind": (
        "信用主体含“{value}”，但没有能识别这类主体的信息项（个人：公民身份号码或其他证件号码；组织：统一社会信用代码等）",
        "the entry has subjects of kind {value} but no item that identifies them",
    ),
    "subject_id.undetermined": (
        "须有一个主体标识项为必填，或有一组“至少填一项”全部由主体标识项组成",
        "one identifying item must be required, or a group of which one is required must be of identifying items",
    ),
    "subject_id.two": (
        "识别组织的和识别个人的主体标识项不能同为必填：一条记录只有一个主体，请改为“至少填一项”",
        "items that identify organisations and items that identify persons must not both be required, as a record has one"
        " subject; make them a group of which at least one is required",
    ),
    "limit.range": ("应为 {least} 到 {most} 个工作日", "must be {least} to {most} working days"),
    "disclosure.item": (
        "披露期限须引用条目中的日期类信息项",
        "the disclosure period must refer to a date item of the entry",
    ),
    "disclosure.unbounded": (
        "自信息项 {value} 起算披露期限，该项须为已发生的日期，请将其设为“不晚于报送日”（not_after_delivery）",
        "disclosure is counted from item {value}, so it must be the date of something that has happened; set its"
        " not_after_delivery",
    ),
    "disclosure.years": ("年数应为 1 到 100", "years are 1 to 100"),
    "disclosure.superfluous": ("该规则不使用此项，请留空", "this rule does not use it; leave it empty"),
    "legal_document.optional": (
        "信息项 {value} 须为必填：每条信息都应载明所依据的法律文书",
        "item {value} must be required: every record names its legal document",
    ),
    "legal_document.date": ("文书日期须为日期类信息项", "the date of the legal document must be a date item"),
    "legal_document.future": (
        "法律文书须已作出，请将信息项 {value} 设为“不晚于报送日”（not_after_delivery）",
        "a legal document has been made already; set not_after_delivery of item {value}",
    ),
    "cross_rule.self": ("两个信息项不能相同", "the two items must differ"),
    "cross_rule.dates": ("先后关系只能用于两个日期类信息项", "not_before is for two date items"),
    "cross_rule.values": ("“{value}”不在该信息项的代码表中", "“{value}” is not in the code list of that item"),
    "cross_rule.numbers": ("大小关系只能用于两个数值类信息项", "not_less is for two number items"),
    "cross_rule.units": (
        "两个信息项的单位不同，不能比较大小",
        "the two items have different units and cannot be compared",
    ),
    "cross_rule.superfluous_values": (
        "先后关系和大小关系不使用 values，请留空",
        "not_before and not_less use no values; leave them empty",
    ),
    "cross_rule.forbids_required": (
        "必填的信息项不能规定为不得填写，请改为非必填或删除该规则",
        "a required item cannot be forbidden; make it optional or remove the rule",
    ),
    "cross_rule.contradiction": (
        "取值为“{value}”时，另一规则要求填写该信息项，两者矛盾",
        "another rule requires the item when the value is “{value}”",
    ),
    "group.size": (
        "一组至少两个信息项；单个信息项请直接设为必填",
        "a group has at least two items; else make the item required",
    ),
    "too_many": ("最多 {limit} 项", "at most {limit}"),
    "codes.large": (
        "各信息项的取值合计 {size} 字节，最多 {limit} 字节；请减少引用大代码表的信息项",
        "the permitted values of all items have {size} bytes, at most {limit}; let fewer items refer to large code lists",
    ),
    "rules.name": (
        "名称应为 2 到 64 位小写字母、数字或下划线",
        "a name has 2 to 64 lower-case letters, digits or underscores",
    ),
    "rules.value": ("数值应为 0 到 {most} 的整数", "values are whole numbers from 0 to {most}"),
    "rules.missing": ("规则集“{set}”缺少“{value}”", "rule set {set} lacks {value}"),
    "rules.unknown": ("规则集“{set}”没有“{value}”一项", "rule set {set} has no {value}"),
    "sheet.missing": (
        "工作簿缺少“{sheet}”表，请按导出的工作簿补上",
        "the workbook lacks sheet “{sheet}”; add it as an exported workbook has it",
    ),
    "sheet.twice": (
        "工作簿有两张“{sheet}”表，请只保留一张",
        "the workbook has sheet “{sheet}” twice; keep one",
    ),
    "sheet.column_missing": (
        "“{sheet}”表缺少“{heading}”列，请按导出的工作簿补上该列",
        "sheet “{sheet}” lacks column “{heading}”; add it as an exported workbook has it",
    ),
    "sheet.column_twice": (
        "“{sheet}”表的 {column} 列与前面一列同为“{heading}”，请删除其中一列",
        "column {column} of sheet “{sheet}” is called “{heading}” like one before it; remove one of them",
    ),
    "sheet.column_unknown": (
        "“{sheet}”表的 {column} 列“{heading}”不是该表的列，请改正表头或删除该列；该表的列为：{permitted}",
        "column {column} of sheet “{sheet}”, “{heading}”, is none of its columns; mend the heading or remove the column. "
        "Its columns: {permitted}",
    ),
    "sheet.column_unnamed": (
        "“{sheet}”表第 {row} 行 {column} 列填有“{value}”，但该列没有表头，请补上表头或移到正确的列",
        "row {row} of sheet “{sheet}” has “{value}” in column {column}, which has no heading; give it one or move the value",
    ),
    "sheet.row_missing": (
        "“{sheet}”表缺少“{heading}”一行，请按导出的工作簿补上（内容可留空的也须保留该行）",
        "sheet “{sheet}” lacks row “{heading}”; add it as an exported workbook has it, even where it may be empty",
    ),
    "sheet.row_twice": (
        "“{sheet}”表第 {row} 行“{heading}”重复，请只保留一行",
        "row {row} of sheet “{sheet}” is the second one called “{heading}”; keep one",
    ),
    "sheet.row_unknown": (
        "“{sheet}”表第 {row} 行“{heading}”不是该表的项目，请按导出的工作簿改正名称或删除该行",
        "row {row} of sheet “{sheet}”, “{heading}”, is none of its rows; mend its name as in an exported workbook or remove it",
    ),
    "sheet.row_unnamed": (
        "“{sheet}”表第 {row} 行填有“{value}”，但没有项目名称，请补上",
        "row {row} of sheet “{sheet}” has “{value}” but no name in its first column; supply it",
    ),
    "sheet.cell_missing": (
        "“{sheet}”表第 {row} 行“{heading}”未填写，请补充",
        "row {row} of sheet “{sheet}” has nothing in “{heading}”; fill it in",
    ),
    "sheet.cell_several": (
        "“{sheet}”表第 {row} 行“{heading}”只能填一个值，现有：{value}",
        "row {row} of sheet “{sheet}”, “{heading}”, takes one value; it has {value}",
    ),
    "sheet.cell_number": (
        "“{sheet}”表第 {row} 行“{heading}”填的是“{value}”，应为不超过 9 位的整数，请只填数字",
        "row {row} of sheet “{sheet}” has “{value}” in “{heading}”; write a whole number of at most 9 digits and nothing else",
    ),
    "sheet.cell_rounded": (
        "“{sheet}”表第 {row} 行 {column} 列是超过 15 位的数字（{value}），电子表格只保存前 15 位；请将单元格设为文本格式后重新填写",
        "row {row} of sheet “{sheet}” has a number of more than 15 digits in column {column} ({value}), of which a spreadsheet"
        " keeps 15; format the cell as text and enter it again",
    ),
    "sheet.cell_word": (
        "“{sheet}”表第 {row} 行“{heading}”填的是“{value}”，只能填：{permitted}",
        "row {row} of sheet “{sheet}” has “{value}” in “{heading}”; it can be: {permitted}",
    ),
    "sheet.item_unknown": (
        "“{sheet}”表第 {row} 行“{heading}”填的是“{value}”，“信息项”表中没有该代码，请核对",
        "row {row} of sheet “{sheet}” has “{value}” in “{heading}”, which sheet “信息项” does not have; compare them",
    ),
    "calendar.year": ("“{value}”不在 {year} 年内", "“{value}” is not in {year}"),
    "calendar.empty": (
        "{year} 年的放假安排没有放假日，请按国务院办公厅的通知列出全部放假日和调休上班日",
        "a notice for {year} without any day off; list all days off and days worked of the State Council's notice",
    ),
    "calendar.day_off": (
        "“{value}”本是周末，无需列为放假日",
        "“{value}” is a weekend day anyway; list only weekdays that are off",
    ),
    "calendar.day_worked": (
        "“{value}”本是工作日，调休上班日只能是周末",
        "“{value}” is a weekday anyway; list only weekend days that are worked",
    ),
}

RULES: Final = frozenset(_MESSAGES)


def message(rule: str, language: str, **words: object) -> str:
    """Returns the message of a rule, in `zh-CN` or `en`."""
    return _MESSAGES[rule][language == "en"].format(**words)
