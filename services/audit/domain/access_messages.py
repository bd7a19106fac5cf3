"""Sentences that tell a subject who looked at the subject's records, and why."""

from typing import Any, Final

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
    """Returns one sentence, in `zh-CN` or `en`, that says who looked at the records, and why."""
    actor = event["actor"]
    column = 1 if language == "en" else 0
    if actor["sub"] == subject_ref:
        actor_name = ("您本人", "you yourself")[column]
    else:
        roles = [_ACTOR_NAMES[role][column] for role in actor.get("roles", []) if role in _ACTOR_NAMES]
        actor_name = "、".join(roles) if column == 0 else ", ".join(roles)
        if actor.get("org"):
            actor_name += f"（{actor['org']}）" if column == 0 else f" ({actor['org']})"
        actor_name = actor_name or ("有权限的人员", "somebody who is entitled")[column]
    reasons = [
        f"{name[column]}{event[member]}"
        for member, name in (
            ("purpose", ("用途：", "purpose: ")),
            ("legal_basis", ("法律依据：", "legal basis: ")),
            ("case_no", ("案号：", "case: ")),
        )
        if event.get(member)
    ]
    refused = event.get("outcome", "ok") != "ok"
    if column == 0:
        sentence = f"{actor_name}{'查询您的记录被拒绝' if refused else '查询了您的记录'}"
        return "，".join([sentence, *reasons])
    sentence = f"{actor_name} {'was refused' if refused else 'looked at'} your records"
    return "; ".join([sentence, *reasons])
