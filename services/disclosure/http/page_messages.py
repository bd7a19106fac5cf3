"""The words of the portal's pages, in both languages."""

from typing import Final

from chengxin.http.page_shell import Words

WORDS: Final[Words] = {
    "home": ("首页", "Home"),
    "search.title": ("查询公共信用信息", "Search public credit information"),
    "search.label": ("主体名称或统一社会信用代码", "Name of the subject, or unified social credit code"),
    "search.hint": (
        "单位：名称的一部分或代码的前几位即可。个人：须输入完整姓名，空一格，再输入文书号或证件号码后六位，例如“张三 12345X”；请勿输入完整的身份证号码。",
        "Organisations: a part of the name or the beginning of the code. Persons: the full name, a space, and the number of the document or the last six characters of the identity number; never the whole identity number.",
    ),
    "search.button": ("查询", "Search"),
    "search.results": ("查询结果", "Results"),
    "search.none": (
        "没有找到与“{q}”相符、且有依法公开信息的主体。",
        "No subject with public information matches “{q}”.",
    ),
    "search.none.next": (
        "单位请核对名称或代码，或改用名称中较短的一段；个人请核对完整姓名和文书号（或证件号码后六位），中间空一格。",
        "Organisations: check the name or code, or try a shorter part. Persons: check the full name and the number of the document, or the last six characters of the identity number, with a space between.",
    ),
    "search.found": ("共 {n} 个主体", "{n} found"),
    "own.link": ("查询本人信用信息（登录）", "Your own record (sign in)"),
    "report.link": ("信息提供单位报送数据（登录）", "Providers: deliver records (sign in)"),
    "name.withheld": ("个人（姓名不公开）", "A person (name not public)"),
    "former": ("曾用名", "Former names"),
    "uscc": ("统一社会信用代码", "Unified social credit code"),
    "kind": ("主体类别", "Kind of subject"),
    "kind.enterprise": ("企业", "Enterprise"),
    "kind.public_institution": ("事业单位", "Public institution"),
    "kind.social_organization": ("社会组织", "Social organisation"),
    "kind.individual": ("个人", "Individual"),
    "kind.": ("主体", "Subject"),
    "class.basic": ("基本信息", "Basic information"),
    "class.licensing_and_penalty": ("行政许可与行政处罚信息", "Administrative licensing and penalties"),
    "class.judicial": ("司法判决信息", "Judgments"),
    "class.evaluation": ("信用评价信息", "Credit evaluation"),
    "class.qualification": ("资质/资格信息", "Qualifications"),
    "provider": ("信息提供单位", "Source"),
    "recorded": ("归集日期", "Recorded on"),
    "until": ("披露至", "Disclosed until"),
    "until.none": ("长期", "further notice"),
    "objection": ("异议处理中", "Objection being handled"),
    "objection.long": (
        "信息主体已对本条信息提出异议，正在核查。",
        "The subject has objected to this record; it is being verified.",
    ),
    "first": ("回到第一页", "Back to the first page"),
    "count": (
        "本页 {n} 条信息，截至 {today} 仍在披露期限内。",
        "{n} records on this page, within their disclosure period on {today}.",
    ),
    "end": ("没有更多公开信息。", "There are no more public records."),
    "print.note": (
        "本页内容由信息提供单位提供，以其原始文书为准。",
        "Records come from the organs named; their documents are authoritative.",
    ),
    "objection.how": (
        "信息主体认为信息有误的，可向市信用中心提出异议申请。",
        "A subject who finds a record wrong may file an objection with the credit centre.",
    ),
    "own.title": ("本人信用信息", "My own record"),
    "own.full": (
        "以下是系统内关于您的全部有效信息，已撤销的不再列出；仅您本人可见的内容不对外公开。",
        "This is everything that is recorded about you and not revoked; what only you may see is not public.",
    ),
    "own.archived": ("已归档，不再披露", "Archived, no longer disclosed"),
    "own.empty": ("系统内没有关于您的信息。", "Nothing is kept about you."),
}
