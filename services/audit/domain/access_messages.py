"""What a subject reads of a query of her records, in plain words."""

from typing import Any, Final

_WHO: Final = {
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


def described(event: dict[str, Any], subject_ref: str, language: str) -> str:
    """One sentence: who looked, and why; in `zh-CN` or `en`."""
    actor = event["actor"]
    which = 1 if language == "en" else 0
    if actor["sub"] == subject_ref:
        who = ("您本人", "you yourself")[which]
    else:
        roles = [_WHO[role][which] for role in actor.get("roles", []) if role in _WHO]
        who = "、".join(roles) if which == 0 else ", ".join(roles)
        if actor.get("org"):
            who += f"（{actor['org']}）" if which == 0 else f" ({actor['org']})"
    reasons = [
        f"{name[which]}{event[member]}"
        for member, name in (
            ("purpose", ("用途：", "purpose: ")),
            ("legal_basis", ("法律依据：", "legal basis: ")),
            ("case_no", ("案号：", "case: ")),
        )
        if event.get(member)
    ]
    refused = event.get("outcome", "ok") != "ok"
    if which == 0:
        sentence = f"{who}{'查询您的记录被拒绝' if refused else '查询了您的记录'}"
        return "，".join([sentence, *reasons])
    sentence = f"{who} {'was refused' if refused else 'looked at'} your records"
    return "; ".join([sentence, *reasons])
