"""Sentences that tell a subject who looked at the subject's records, or decided about the subject, and why."""

from collections.abc import Mapping
from typing import Any, Final

from chengxin.auth.principal import Capacity
from chengxin.values.acts import Act

# Acts that begin so are queries of a subject's records. The subject finds them in `/v1/me/accesses`, beside `ACTS_TOLD`.
QUERIES: Final = "record.queried"
# What the subjects named in an event are told of, beside queries: acts of officers about them.
ACTS_TOLD: Final[Mapping[str, tuple[str, str]]] = {
    Act.SUBJECT_MERGED: (
        "决定将另一标识与您归并为同一主体",
        "decided that another identifier is the same subject as you",
    ),
    Act.SUBJECT_SPLIT: ("决定将一个标识与您拆分", "decided that an identifier is not the same subject as you"),
    Act.SUBJECT_DECISION_UNDONE: (
        "撤销了关于您与另一标识是否同一主体的决定",
        "took back a decision on whether another identifier is the same subject as you",
    ),
    Act.PROPOSAL_MADE: (
        "提出了一项与您有关的决定，须由第二人批准",
        "proposed a decision about you, which another officer approves or rejects",
    ),
    Act.COUNTER_CODE_ISSUED: (
        "在服务窗口核验证件后向您发放了登录码",
        "checked a document at a service counter and issued a code to you, to sign in with",
    ),
    Act.REPRESENTATION_RECORDED: (
        "登记了您与某单位（或某人与您）的代表关系",
        "recorded who may act for an organisation: you, or somebody for you",
    ),
    Act.REPRESENTATION_ENDED: (
        "终止了您与某单位（或某人与您）的代表关系",
        "ended who may act for an organisation: you, or somebody for you",
    ),
}
# Acts by which somebody can act in the subject's name: the officer who did them is named.
NAMED: Final = frozenset({Act.COUNTER_CODE_ISSUED, Act.REPRESENTATION_RECORDED, Act.REPRESENTATION_ENDED})
_QUERIES: Final = {
    "ok": ("查询了您的记录", "looked at your records"),
    "refused": ("查询您的记录被拒绝", "was refused your records"),
    "unanswered": ("查询您的记录，未得到答复", "asked for your records and got no answer"),
}
# In which capacity somebody acted for an organisation (`chengxin.auth.principal.Capacity`).
CAPACITIES: Final[Mapping[str, tuple[str, str]]] = {
    Capacity.LEGAL_REPRESENTATIVE: ("法定代表人", "legal representative"),
    Capacity.AGENT: ("经办人", "agent"),
}
_REFUSED_ACT: Final = "（被拒绝）", " (refused)"

_OUTCOMES: Final = {"ok": ("", ""), "unanswered": ("（未得到答复）", " (not answered)")}

# How surely it was known that a person was who it claimed to be; other callers prove who they are in other ways.
VERIFICATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "counter": ("经服务窗口当面核验身份", "verified in person at a service counter"),
    "oidc": ("经身份认证平台核验身份", "verified by the identity provider"),
    "demo": ("演示登录，未核验身份", "signed in for demonstration, not verified"),
}

_ACTOR_NAMES: Final = {
    "public": ("社会公众", "a member of the public"),
    "subject": ("信息主体", "the subject"),
    "subject_authorized": ("经您同意的查询人", "somebody with your consent"),
    "statutory": ("依法查询的机关", "an organ entitled by law"),
    "agency": ("按协议共享信息的机关", "an agency under its sharing agreement"),
    "provider": ("信息提供单位", "a provider of information"),
    "centre": ("信用中心", "the credit centre"),
    "authority": ("信用主管部门", "the credit authority"),
    "supervisor": ("监管人员", "a supervisor"),
    "service": ("本系统", "this system"),
}


def describe_access(event: dict[str, Any], subject_ref: str, language: str) -> str:
    """Returns one sentence, in `zh-CN` or `en`: who looked at the records, decided, or acted for an organisation; how
    that person was verified, and why."""
    column = 1 if language == "en" else 0
    reasons = [
        f"{name[column]}{event[member]}"
        for member, name in (
            ("purpose", ("用途：", "purpose: ")),
            ("legal_basis", ("法律依据：", "legal basis: ")),
            ("case_no", ("案号：", "case: ")),
        )
        if event.get(member)
    ]
    verified = VERIFICATIONS.get(event["actor"].get("acr", ""), ("", ""))[column]
    sentence = _represented(event, subject_ref, column) or (
        f"{_actor_name(event['actor'], subject_ref, column)}{' ' * column}{_deed(event, column)}"
    )
    return ("，", "; ")[column].join([sentence, *([verified] if verified else []), *_officer(event, column), *reasons])


def _officer(event: Mapping[str, Any], column: int) -> list[str]:
    """Who handed out a code, and where; and who handed out the code that a person came with."""
    found = []
    if event["act"] in NAMED:
        details = event.get("details", {})
        officers = [details["proposed_by"]] if "proposed_by" in details else []
        names = ("、", ", ")[column].join(_user_name(sub) for sub in (*officers, event["actor"]["sub"]))
        found.append(f"{('经办人：', 'officer: ')[column]}{names}")
        if counter := details.get("counter"):
            found.append(f"{('窗口：', 'counter: ')[column]}{counter}")
    if verified_by := event["actor"].get("verified_by"):
        found.append(f"{('登录码经办人：', 'the code was issued by officer: ')[column]}{_user_name(verified_by)}")
    return found


def _represented(event: Mapping[str, Any], subject_ref: str, column: int) -> str:
    """What was done for an organisation, as the organisation and the person who did it are told; else empty."""
    actor = event["actor"]
    person = actor.get("represented_by")
    capacity = CAPACITIES.get(actor.get("capacity", ""), ("代表", "representative"))[column]
    if subject_ref == person:
        who = (f"您作为{actor['org']}的{capacity}：", f"you, as {capacity} of {actor['org']}: ")[column]
        return who + _sentence(event, column)
    if person and subject_ref == actor["sub"]:
        return (f"贵单位{capacity}（{person}）", f"your {capacity} ({person}) ")[column] + _deed(event, column)
    return ""


def _user_name(sub: str) -> str:
    return sub.removeprefix("officer:")


def _actor_name(actor: Mapping[str, Any], subject_ref: str, column: int) -> str:
    if actor["sub"] == subject_ref:
        return ("您本人", "you yourself")[column]
    roles = [_ACTOR_NAMES[role][column] for role in actor.get("roles", []) if role in _ACTOR_NAMES]
    name = ("、", ", ")[column].join(roles)
    if actor.get("org"):
        name += f"（{actor['org']}）" if column == 0 else f" ({actor['org']})"
    return name or ("有权限的人员", "somebody who is entitled")[column]


def _deed(event: Mapping[str, Any], column: int) -> str:
    outcome = event.get("outcome", "ok")
    if (told := ACTS_TOLD.get(event["act"])) is not None:
        return told[column] + (_REFUSED_ACT[column] if outcome != "ok" else "")
    if event["act"].startswith(QUERIES):
        return _QUERIES.get(outcome, _QUERIES["refused"])[column]
    return ("办理：", "did this: ")[column] + _sentence(event, column)


def _sentence(event: Mapping[str, Any], column: int) -> str:
    """What the act is called in the log."""
    act = Act(event["act"])
    outcome = event.get("outcome", "ok")
    return (act.zh, act.en)[column] + _OUTCOMES.get(outcome, _REFUSED_ACT)[column]
