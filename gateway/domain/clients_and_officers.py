"""Clients, officers and citizens, and the rules for what a token request may get."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyotp

from chengxin.auth.access_tokens import TOKEN_EXCHANGE
from chengxin.auth.principal import ANONYMOUS_SUB, Principal, Role
from chengxin.errors import InBoth, exhausted, forbidden, unauthenticated
from chengxin.values.identifiers import is_uscc
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.region_codes import region_names
from gateway.domain.token_refusals import (
    CLIENT_SUSPENDED,
    LEGAL_BASIS_NOT_ENTITLED,
    PURPOSE_MISSING,
    PURPOSE_NOT_AGREED,
    SCOPE_NOT_ALLOWED,
    TOKEN_REQUEST_INVALID,
)

TOTP_SECONDS: Final = 30

# Citizens and officers act under the client `PORTAL`, the suite's own pages; so does an anonymous request.
PORTAL: Final = "portal"
ANONYMOUS: Final = Principal(ANONYMOUS_SUB, frozenset({Role.PUBLIC}), client_id=PORTAL)

CLIENT_ROLES: Final = frozenset({Role.PUBLIC, Role.AGENCY, Role.STATUTORY, Role.PROVIDER, Role.SUBJECT_AUTHORIZED})
OFFICER_ROLES: Final = frozenset({Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR, Role.PROVIDER})
_SUPERVISED_ROLES: Final = frozenset({Role.CENTRE, Role.AUTHORITY, Role.PROVIDER})

_SERVICE_NUMBER: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}\Z")
_CASE_NO: Final = re.compile(r"(?=.*\d)[\w（）()〔〕\[\]【】第号.:：/ -]{1,100}\Z")
# As that of a consent (Art. 16).
_PURPOSE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")

SIGN_IN_REFUSED = unauthenticated(
    "SIGN_IN_REFUSED",
    "用户名、密码或动态口令不正确（每个动态口令只能使用一次）",
    "User name, password or code is wrong (each code is good once)",
)
OFFICER_NOT_ACTIVE = forbidden(
    "OFFICER_NOT_ACTIVE",
    "该账号已停用或尚未授予角色，请联系主管部门",
    "This account is suspended or holds no role yet; ask the authority",
)
PASSWORD_CHANGE_REQUIRED = forbidden(
    "PASSWORD_CHANGE_REQUIRED",
    "初始密码只能用于设置新密码：请给出至少 12 位的新密码（new_password），并使用下一个动态口令",
    "An initial password is only good for choosing another: give a new one (new_password) of at least 12 characters, with the next code",
)
ACCOUNT_NOT_APPROVED = forbidden(
    "ACCOUNT_NOT_APPROVED",
    "新密码已设置；账号须由另一人批准后方可使用，请告知主管部门您已设置密码并等待批准",
    "Your password is set, and the account works when a second officer has approved: say that you chose it, and wait",
)
SIGN_IN_LOCKED = exhausted(
    "SIGN_IN_LOCKED",
    429,
    "连续多次登录失败，请在 {seconds} 秒后重试",
    "Too many failed sign-ins in a row; try again in {seconds} s",
)
SIGN_IN_BUSY = exhausted(
    "SIGN_IN_BUSY", 429, "登录请求过多，请稍后重试", "Too many sign-ins at once; try again shortly"
)
IDENTITY_NOT_CONFIRMED = unauthenticated(
    "IDENTITY_NOT_CONFIRMED", "姓名与身份证号码核验不一致", "Name and identity number were not confirmed"
)
NOT_REPRESENTATIVE = forbidden(
    "NOT_REPRESENTATIVE",
    "本人未登记为统一社会信用代码 {uscc} 的法定代表人或经办人",
    "This person is not registered as a representative of {uscc}",
)


@dataclass(frozen=True)
class TokenRequest:
    """What a client asks for, besides the proof of who it is."""

    scope: str = ""
    purpose: str = ""
    legal_basis: str = ""
    case_no: str = ""
    officer: str = ""
    # The fields from here on are those of an exchange (RFC 8693 section 2.1).
    subject_token: str = field(default="", repr=False)
    subject_token_type: str = ""
    requested_token_type: str = ""
    actor_token: str = field(default="", repr=False)
    audience: str = ""
    resource: str = ""


@dataclass(frozen=True)
class Agreement:
    """A purpose of an agency, and the number of the agreement that states it (Art. 17)."""

    purpose: str
    number: str


@dataclass(frozen=True)
class Client:
    """A registered machine: an organisation's system, or one of the services."""

    client_id: str
    name: str
    org: str
    region: str
    jwks: tuple[Mapping[str, str], ...]
    roles: frozenset[Role]
    agreements: tuple[Agreement, ...] = ()
    # Provisions of law under which it may query without consent (Art. 16).
    legal_bases: tuple[str, ...] = ()
    suspended: bool = False
    # The service number of the officer who answers for it (Art. 17).
    responsible: str = ""

    def live_keys(self, now: float) -> list[Mapping[str, str]]:
        """Returns the keys that are not retired at `now` (epoch seconds). A key under replacement has an `exp`."""
        return [jwk for jwk in self.jwks if "exp" not in jwk or float(jwk["exp"]) > now]

    def granted(self, asked: TokenRequest) -> Principal:
        """Returns the principal that the token will name. Raises the refusal of the request."""
        if self.suspended:
            raise CLIENT_SUSPENDED(client_id=self.client_id)
        role = self._select_role(asked.scope)
        return self.named(role, **_BINDINGS.get(role, refuse_binding)(self, asked))

    def named(self, role: Role, **bound: str) -> Principal:
        """Returns the client's principal in one of its roles, bound to a purpose, a case or a consent."""
        return Principal(
            self.client_id,
            frozenset({role}),
            client_id=self.client_id,
            org=self.org,
            region=self.region,
            acr="private_key_jwt",
            **bound,
        )

    def _select_role(self, scope: str) -> Role:
        if not scope and len(self.roles) == 1:
            return next(iter(self.roles))
        role = next((role for role in self.roles if role.value == scope), None)
        if role is None:
            raise SCOPE_NOT_ALLOWED(allowed=_join_sorted(self.roles))
        return role


def refuse_binding(_client: Client, asked: TokenRequest) -> dict[str, str]:
    """Refuses the parameters of other roles. Raises TOKEN_REQUEST_INVALID."""
    unexpected = [n for n in ("purpose", "legal_basis", "case_no", "officer") if getattr(asked, n)]
    if unexpected:
        names = ", ".join(unexpected)
        raise TOKEN_REQUEST_INVALID(what=InBoth(f"此角色不能给 {names}", f"{names} cannot be given for this role"))
    return {}


def _bind_purpose(client: Client, asked: TokenRequest) -> dict[str, str]:
    agreed = _join_sorted(a.purpose for a in client.agreements)
    if not asked.purpose:
        raise PURPOSE_MISSING(agreed=agreed)
    if asked.purpose not in {a.purpose for a in client.agreements}:
        raise PURPOSE_NOT_AGREED(agreed=agreed)
    return {"purpose": asked.purpose}


def _bind_legal_basis(client: Client, asked: TokenRequest) -> dict[str, str]:
    entitled = _join_sorted(client.legal_bases)
    if missing := [n for n in ("legal_basis", "case_no", "officer") if not getattr(asked, n)]:
        names = ", ".join(missing)
        told = InBoth(
            f"缺少 {names}；已登记的法律依据：{entitled}", f"missing {names}; registered legal bases are: {entitled}"
        )
        raise TOKEN_REQUEST_INVALID(what=told)
    if asked.legal_basis not in client.legal_bases:
        raise LEGAL_BASIS_NOT_ENTITLED(entitled=entitled)
    # Officer and case number both go on record, where no personal identifier may be.
    if not is_service_number(asked.officer):
        raise TOKEN_REQUEST_INVALID(
            what=InBoth(
                "officer 须为工号：字母、数字、_ . -",
                "officer must be a service number: letters, digits, '_', '.', '-'",
            )
        )
    # A name cannot be told from a purpose or a case, but most names have no digit.
    if not _CASE_NO.match(asked.case_no) or holds_personal_number(asked.case_no):
        raise TOKEN_REQUEST_INVALID(
            what=InBoth(
                "case_no 须为至多 100 个文字、数字、括号和横线，含数字，且不含个人号码",
                "case_no must be at most 100 letters, digits, brackets and dashes, with a digit, and no number of a person",
            )
        )
    if asked.purpose and (not _PURPOSE.match(asked.purpose) or holds_personal_number(asked.purpose)):
        raise TOKEN_REQUEST_INVALID(
            what=InBoth(
                "purpose 须为 enforcement 这样的词：a-z、0-9、_，至多 64 个",
                "purpose must be a word such as enforcement: a-z, 0-9, '_', at most 64",
            )
        )
    bound = {"legal_basis": asked.legal_basis, "case_no": asked.case_no, "officer": asked.officer}
    return bound | ({"purpose": asked.purpose} if asked.purpose else {})


def _require_exchange(_client: Client, _asked: TokenRequest) -> dict[str, str]:
    raise TOKEN_REQUEST_INVALID(
        what=InBoth(
            f"此角色须兑换授权码：grant_type {TOKEN_EXCHANGE}",
            f"for this role exchange a consent code: grant_type {TOKEN_EXCHANGE}",
        )
    )


_BINDINGS: Final = {
    Role.AGENCY: _bind_purpose,
    Role.STATUTORY: _bind_legal_basis,
    Role.SUBJECT_AUTHORIZED: _require_exchange,
}


@dataclass(frozen=True)
class Officer:
    """A person who works in the system on behalf of an organisation."""

    username: str
    roles: frozenset[Role]
    org: str
    region: str
    password_hash: str
    totp_secret: str = field(repr=False)
    suspended: bool = False
    # The system made the password: the officer can only choose a new one with it.
    initial: bool = False
    # The proposal by which a second officer gives a reset account its roles back; empty when none is awaited.
    reset_proposal: str = ""

    @property
    def sub(self) -> str:
        """The `sub` of the officer's tokens."""
        return f"officer:{self.username}"

    def principal(self) -> Principal:
        """Returns the principal of the officer after the sign-in."""
        return Principal(self.sub, self.roles, client_id=PORTAL, org=self.org, region=self.region, acr="pwd+totp")


def duties_fault(roles: Iterable[Role]) -> str | None:
    """Returns why one officer may not hold these roles together, or None. A supervisor does not operate (Art. 30)."""
    held = frozenset(roles)
    if not held or not held <= OFFICER_ROLES:
        some = _join_sorted(OFFICER_ROLES)
        return InBoth(f"工作人员的角色只能是：{some}", f"an officer's roles are some of: {some}")
    if Role.SUPERVISOR in held and held & _SUPERVISED_ROLES:
        others = _join_sorted(held & _SUPERVISED_ROLES)
        return InBoth(f"监督人员不得兼任：{others}", f"a supervisor cannot also be: {others}")
    return None


def client_roles_fault(roles: Iterable[Role]) -> str | None:
    """Returns why a client may not hold these roles, or None."""
    held = frozenset(roles)
    if not held or not held <= CLIENT_ROLES:
        some = _join_sorted(CLIENT_ROLES)
        return InBoth(f"客户端的角色只能是：{some}", f"a client's roles are some of: {some}")
    return None


def matching_step(secret: str, code: str, now: float) -> int | None:
    """Returns the time step of a TOTP code (RFC 6238): the present one or a neighbour; None when no step matches."""
    totp = pyotp.TOTP(secret, interval=TOTP_SECONDS)
    present = int(now) // TOTP_SECONDS
    matching = None
    for step in (present - 1, present, present + 1):
        if pyotp.utils.strings_equal(totp.generate_otp(step), code):
            matching = step
    return matching


def affiliation_fault(org: str, region: str) -> str | None:
    """Returns why a client or officer cannot be of this organisation and region (empty: all regions), or None."""
    if not is_uscc(org):
        return InBoth(
            "org 不是统一社会信用代码（GB 32100），有字符不正确",
            "org is no unified social credit code (GB 32100); one of its characters is wrong",
        )
    if region and region not in region_names():
        return InBoth(f"region {region} 不是在用的 GB/T 2260 代码", f"region {region} is no code of GB/T 2260 in use")
    return None


def is_service_number(text: str) -> bool:
    """Returns whether `text` may go on record as a service number: it is not a name and not an identity number."""
    return bool(_SERVICE_NUMBER.match(text)) and not holds_personal_number(text)


@dataclass(frozen=True)
class Citizen:
    """A person whose identity was verified."""

    subject_ref: str
    name: str = field(repr=False)
    represents: Sequence[str] = ()
    # The `sub` of the officer who saw the document, where one did.
    verified_by: str = ""


def _join_sorted(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "-"
