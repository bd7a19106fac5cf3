"""The rules of administration: regions, grants that take two officers, and roles that exclude each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chengxin.auth.principal import Role
from chengxin.errors import InBoth, conflict, forbidden, invalid, not_found, precondition
from chengxin.values.jwk import thumbprint
from gateway.domain.clients_and_officers import Agreement, Client, Officer, client_roles_fault, duties_fault
from gateway.domain.registered_words import word_fault

CLIENT_UNKNOWN = not_found("CLIENT_UNKNOWN", "没有客户端 {client_id}", "There is no client {client_id}")
CLIENT_EXISTS = conflict("CLIENT_EXISTS", "客户端 {client_id} 已存在", "Client {client_id} exists already")
CLIENT_INVALID = invalid("CLIENT_INVALID", "客户端登记有误：{what}", "The client's registration is invalid: {what}")
KEY_UNKNOWN = not_found("KEY_UNKNOWN", "没有密钥 {kid}", "There is no key {kid}")
KEY_EXISTS = conflict("KEY_EXISTS", "密钥 {kid} 已登记", "Key {kid} is registered already")
LAST_KEY = precondition(
    "LAST_KEY",
    "这是该客户端最后一把有效密钥，请先登记新密钥，或暂停该客户端",
    "This is the client's last key: register another first, or suspend the client",
)
CLIENT_NOT_SUSPENDED = precondition(
    "CLIENT_NOT_SUSPENDED",
    "客户端 {client_id} 未被暂停，无需恢复",
    "Client {client_id} is not suspended; there is nothing to resume",
)
OFFICER_UNKNOWN = not_found("OFFICER_UNKNOWN", "没有账号 {username}", "There is no officer {username}")
OFFICER_EXISTS = conflict("OFFICER_EXISTS", "账号 {username} 已存在", "Officer {username} exists already")
OFFICER_INVALID = invalid("OFFICER_INVALID", "账号登记有误：{what}", "The officer's account is invalid: {what}")
OFFICER_NOT_SUSPENDED = precondition(
    "OFFICER_NOT_SUSPENDED",
    "账号 {username} 未被停用，无需恢复",
    "Officer {username} is not suspended; there is nothing to resume",
)
PASSWORD_NOT_CHOSEN = precondition(
    "PASSWORD_NOT_CHOSEN",
    "账号 {username} 的使用人尚未用初始密码设置新密码；请向本人确认其已设置后再批准",
    "The holder of {username} has not chosen a password yet: approve when the holder has told you that this is done",
)
OWN_ACCOUNT = forbidden(
    "OWN_ACCOUNT",
    "不得处理本人账号，请由另一人办理",
    "Officers do not administer their own accounts; ask another officer",
)
SUPERVISOR_MUST_APPROVE = forbidden(
    "SUPERVISOR_MUST_APPROVE",
    "监督人员账号的授权或重置须由监督人员批准",
    "The role supervisor, and the reset of an account that has it, take the approval of a supervisor",
)


@dataclass(frozen=True)
class Grants:
    """What a client or officer may do: roles, and for a client its agreed purposes and legal bases."""

    roles: frozenset[Role]
    agreements: frozenset[Agreement] = frozenset()
    legal_bases: frozenset[str] = frozenset()

    @classmethod
    def of(cls, holder: Client | Officer) -> "Grants":
        """Returns the grants that a client or officer holds."""
        if isinstance(holder, Officer):
            return cls(holder.roles)
        return cls(holder.roles, frozenset(holder.agreements), frozenset(holder.legal_bases))

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "Grants":
        """Reads the output of `to_dict`. Raises `ValueError` for a role that does not exist."""
        agreements = frozenset(Agreement(a["purpose"], a["agreement"]) for a in plain.get("purposes", ()))
        return cls(frozenset(Role(r) for r in plain["roles"]), agreements, frozenset(plain.get("legal_bases", ())))

    def to_dict(self) -> dict[str, Any]:
        """Returns the grants as they are stored and shown."""
        purposes = [
            {"purpose": a.purpose, "agreement": a.number}
            for a in sorted(self.agreements, key=lambda a: (a.purpose, a.number))
        ]
        return {"roles": sorted(self.roles), "purposes": purposes, "legal_bases": sorted(self.legal_bases)}

    def only_less_than(self, held: "Grants") -> bool:
        """Returns whether `held` includes all of these grants."""
        return self.roles <= held.roles and self.agreements <= held.agreements and self.legal_bases <= held.legal_bases

    def client_fault(self) -> str | None:
        """Returns why a client may not hold these grants, or None. One without roles is allowed, but can do nothing."""
        words = (*self.legal_bases, *(word for a in self.agreements for word in (a.purpose, a.number)))
        if fault := word_fault("purposes, legal_bases", *words):
            return fault
        if not self.roles:
            return None
        if fault := client_roles_fault(self.roles):
            return fault
        if Role.AGENCY in self.roles and not self.agreements:
            return InBoth("agency 须有协议载明的用途", "an agency needs a purpose from its agreement")
        if Role.STATUTORY in self.roles and not self.legal_bases:
            return InBoth("statutory 须有法律依据", "a statutory client needs a legal basis")
        return None

    def officer_fault(self) -> str | None:
        """Returns why an officer may not hold these grants, or None. One without any is allowed, but cannot sign in."""
        return duties_fault(self.roles) if self.roles else None


def thumbprints(client: Client) -> list[str]:
    """Returns the thumbprints (RFC 7638) of a client's keys, by which whoever holds a key can tell it."""
    return sorted(thumbprint(jwk) for jwk in client.jwks)


def listed_keys(client: Client) -> Sequence[Mapping[str, str]]:
    """Returns a client's public keys as they are shown; `exp` is the instant (epoch seconds) at which a key retires."""
    return [dict(jwk) for jwk in client.jwks]
