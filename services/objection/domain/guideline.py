"""The working guideline of the objection procedure (Art. 28), with the deadlines of a rule set.

`docs/objection-guideline.md` is this text with the deadlines of the regulation:
`python -m services.objection --guideline`.
"""

import textwrap
from typing import Final

from services.objection.domain.deadlines import DeadlineRules, Step
from services.objection.domain.evidence import MOST_BYTES, MOST_FILES

# The deadlines of Art. 24 to 27.
REGULATION: Final = DeadlineRules(
    1,
    {
        "acceptance_working_days": 3,
        "verification_working_days": 3,
        "answer_working_days": 10,
        "answer_extended_working_days": 20,
        "conclusion_working_days": 3,
    },
)

_WIDTH: Final = 116
_ZH: Final = """# 公共信用信息异议处理工作指引

依据《阳江市公共信用信息管理暂行办法》第二十三条至第二十八条制定。本指引由异议处理系统按现行期限规则（第 {version} 版）生成；\
每件异议自始至终适用其提出时有效的规则版本。

## 一、谁可以提出
信息主体（自然人本人，或者单位的法定代表人、经办人代表该单位）对本系统记载的关于自己的信息，认为其采集、保存、共享、公开的\
真实性、完整性存疑的，可以向市信用中心提出异议。他人不能代为提出关于别人的异议。

## 二、怎样提出
1. 登录后，“本人信用信息”页面（`/me`）列出本系统关于自己的全部信息，已撤销的除外。
2. 提出异议目前通过接口 `POST /v1/me/objections`，还没有网页表单：写明信息编号、信息项（不写即对整条信息提出）和理由。\
编号和代码见 `GET /v1/me/records`。
3. 附证明材料：每次最多 {files} 个文件，每个不超过 {megabytes} MB，仅限 PDF、PNG、JPEG、纯文本，文件内容须与类型相符。
4. 提出后得到异议编号（如 YY-20261124-0001），登录后凭编号可随时查询进度（`GET /v1/me/objections/编号`）；系统不另发通知。\
同一记录的同一信息项正在办理的，不重复受理；已撤销的记录不受理。
5. 异议办理期间，公开页面对该记录作“异议处理中”标注，但不停止披露。办结前可以撤回。

## 三、办理步骤和期限
期限一律按工作日计算，以国务院办公厅公布的放假调休安排为准；事件发生当日不计入，从次日起算。

| 步骤 | 由谁 | 期限 |
|---|---|---|
| 受理：决定受理、不予受理（说明理由），或者一次性告知需要补正的全部内容 | 市信用中心 | 收到之日起 {acceptance} 个工作日 |
| 补正：申请人补正后，受理期限重新计算；补正只要求一次 | 申请人 | 不计入办理期限 |
| 核查：属于系统自身差错的立即更正；与信息来源一致的，通知信息提供单位核查 | 市信用中心 | 受理之日起 {verification} 个工作日 |
| 答复：确认有误的，重新报送更正后的信息；确认无误的，提供证明材料 | 信息提供单位 | 接到通知之日起 {answer} 个工作日；情况复杂的，期满前可延长一次，至 {answer_extended} 个工作日 |
| 办结：更正信息或者维持原状，说明写入异议，申请人登录后即可看到 | 市信用中心 | 收到核查结果之日起 {conclusion} 个工作日 |

期限跨入尚未公布放假安排的年度的，先按法定节假日暂定，查询进度时标明是暂定（`provisional`）；安排公布后系统自动重新计算，并留存审计记录。\
已经完成的步骤不因此改变。逾期的步骤在系统中标明，供监督检查。

办结以前，市信用中心可以收回属于系统自身差错的核查结论或者补正要求，提供单位可以收回答复，须说明理由并留存；收回后继续该步骤，期限不因此延长。

## 四、更正
1. 更正只有一条途径：提供单位（属于系统差错的由市信用中心）向归集系统报送变更或者撤销，并注明异议编号。
2. 系统收到注明该编号的变更或者撤销，或者该记录已被撤销、所异议的信息项已有改变（不论是否注明编号）的，方可以“已更正”办结，并不得以“维持原状”办结；办结时系统向归集系统核对记录的现状。
3. 更正后，本系统随即按更正后的内容公开和提供；从公开变更流（`/v1/public/feed`）取得信息的平台随变更流得到更正。\
此前以查询方式取得该信息的单位，系统目前不逐一通知，须再次查询。
4. 办理期间记录有变更或者撤销的，异议中列明其版本、时间和理由，申请人、市信用中心、接到通知的提供单位都能看到。
5. 已办结的异议不再改变；有新的理由的，另行提出。

## 五、谁能看到什么
| 谁 | 能看到 |
|---|---|
| 申请人 | 自己的异议：进度、期限、自己提交的内容和附件、补正要求、不予受理的理由、办结说明 |
| 信息提供单位 | 本单位的核查任务：记录、信息项、异议理由、答复期限；看不到申请人身份和附件 |
| 市信用中心 | 全部内容 |
| 监督人员 | 进度、期限、是否逾期；看不到理由、说明和附件 |
| 其他人 | 公开页面上“异议处理中”的标注 |

理由、说明、附件加密保存，不进入审计记录。每一次查看和每一次办理都记入审计记录。
"""

_EN: Final = """# Working guideline of the objection procedure (summary)

By Art. 23 to 28 of the regulation; made from the deadlines in force (rules version {version}). A case keeps the rules that it \
was filed under.

- **Who**: the subject of a record, or who represents it; nobody for others.
- **How**: sign in; the page `/me` shows all that is recorded about you and not revoked. An objection is filed by `POST /v1/me/objections`; there is \
no form for it on a page yet. Name the record and the items (none: the whole record; `GET /v1/me/records` tells both), say why, \
attach at most {files} files of {megabytes} MB (PDF, PNG, JPEG, plain text). The case gets a number; \
`GET /v1/me/objections/<number>` tells how it goes, and nobody is notified otherwise. What is being handled already needs no second objection, and to what is revoked there is none. The record stays \
disclosed, marked as under objection. An open case can be withdrawn.
- **Acceptance**, centre, {acceptance} working days: accepted, refused with the reason, or sent back once listing everything \
that is missing; then the time begins anew.
- **Verification**, centre, {verification} working days of acceptance: the system's own fault is corrected at once; what is \
consistent with its source goes to the provider.
- **Answer**, provider, {answer} working days; in a complex case {answer_extended}, taken once and before the first period ends. \
Wrong: it delivers the corrected record, naming the objection. Right: it supplies evidence.
- **Taken back**, before the conclusion and with the reason on record: the centre its finding of a fault or its request for a \
supplement, the provider its answer. The step is taken anew, in the time that it had.
- **Changed meanwhile**: applicant, centre and the provider that was notified see every amendment and revocation of the record \
since the objection, with version, time and reason.
- **Conclusion**, centre, {conclusion} working days: corrected, once a correction that names the objection has arrived, or the \
record is revoked or changed in what was objected to, whoever named what; else upheld as recorded. The \
applicant reads the explanation in the case. Platforms that follow the public changes (`/v1/public/feed`) get the correction; \
who obtained the record by a query earlier is not told yet, and queries again.
- Working days are those of the State Council's notice; the day of the event does not count. A period that reaches into a year \
without a notice is provisional and is counted again when the notice is loaded.
- The provider does not learn who filed and does not see attachments; who supervises sees states, deadlines and lateness only.
"""


def zh(rules: DeadlineRules) -> str:
    """Returns the guideline in Chinese, as Markdown. Raises DEADLINE_UNKNOWN for rules that lack a period."""
    return _fill(_ZH, rules)


def en(rules: DeadlineRules) -> str:
    """Returns its summary in English, as Markdown. Raises DEADLINE_UNKNOWN for rules that lack a period."""
    return _fill(_EN, rules)


def document() -> str:
    """Returns the content of `docs/objection-guideline.md`."""
    notice = (
        "<!-- made by `python -m services.objection --guideline`; change services/objection/domain/guideline.py -->\n\n"
    )
    return f"{notice}{zh(REGULATION)}\n---\n\n{_wrapped(en(REGULATION))}"


def _wrapped(text: str) -> str:
    """Wraps paragraphs and items, for the lines of a document are at most 120 characters long."""
    lines = (
        textwrap.fill(line, _WIDTH, subsequent_indent="  " if line[:2] == "- " else "") for line in text.split("\n")
    )
    return "\n".join(lines)


def _fill(text: str, rules: DeadlineRules) -> str:
    return text.format(
        version=rules.version,
        files=MOST_FILES,
        megabytes=MOST_BYTES // 1024**2,
        answer_extended=rules.working_days(Step.ANSWER, extended=True),
        **{step.value: rules.working_days(step) for step in Step},
    )
