"""The rules of administration: regions, grants that take two officers, and roles that exclude each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chengxin.auth.principal import Principal, Role
from chengxin.errors import ProblemType, conflict, forbidden, invalid, not_found, precondition
from gateway.domain.clients_and_officers import Agreement, Client, Officer, client_roles_fault, duties_fault

# A proposal is void when no officer decides it within this time.
PROPOSAL_DAYS: Final = 14

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
OFFICER_UNKNOWN = not_found("OFFICER_UNKNOWN", "没有账号 {username}", "There is no officer {username}")
OFFICER_EXISTS = conflict("OFFICER_EXISTS", "账号 {username} 已存在", "Officer {username} exists already")
OFFICER_INVALID = invalid("OFFICER_INVALID", "账号登记有误：{what}", "The officer's account is invalid: {what}")
OWN_ACCOUNT = forbidden(
    "OWN_ACCOUNT",
    "不得处理本人账号，请由另一人办理",
    "Officers do not administer their own accounts; ask another officer",
)
PROPOSAL_UNKNOWN = not_found("PROPOSAL_UNKNOWN", "没有提案 {proposal_id}", "There is no proposal {proposal_id}")
PROPOSAL_DECIDED = precondition(
    "PROPOSAL_DECIDED", "提案已是 {state} 状态", "The proposal is {state} already; make a new one"
)
FOUR_EYES = forbidden(
    "FOUR_EYES",
    "授权须由另一人批准：提案人与被授权人本人均不得批准",
    "A grant takes a second officer: neither who proposed it nor whom it is for may approve it",
)
SUPERVISOR_MUST_APPROVE = forbidden(
    "SUPERVISOR_MUST_APPROVE",
    "监督角色的授予须由监督人员批准",
    "Granting the role supervisor takes the approval of a supervisor",
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
        if not self.roles:
            return None
        if fault := client_roles_fault(self.roles):
            return fault
        if Role.AGENCY in self.roles and not self.agreements:
            return "an agency needs a purpose from its agreement"
        if Role.STATUTORY in self.roles and not self.legal_bases:
            return "a statutory client needs a legal basis"
        return None

    def officer_fault(self) -> str | None:
        """Returns why an officer may not hold these grants, or None. One without any is allowed, but cannot sign in."""
        return duties_fault(self.roles) if self.roles else None


@dataclass(frozen=True)
class Proposal:
    """A grant that waits for a second officer."""

    proposal_id: str
    # `kind` is "client" or "officer"; `target` is its client id or user name.
    kind: str
    target: str
    region: str
    grants: Grants
    proposed_by: str
    proposed_at: datetime
    state: str = "open"
    decided_by: str = ""
    decided_at: datetime | None = None

    def seen(self, now: datetime) -> "Proposal":
        """Returns the proposal as it is at `now`: void when no officer decided it in time."""
        void = self.state == "open" and now >= self.proposed_at + timedelta(days=PROPOSAL_DAYS)
        return replace(self, state="void") if void else self

    def refusal_of_approval(self, caller: Principal) -> ProblemType | None:
        """Returns why this officer may not approve, or None. To reject is to leave things as they are, and open to all."""
        if caller.sub == self.proposed_by or (self.kind == "officer" and caller.sub == f"officer:{self.target}"):
            return FOUR_EYES
        if Role.SUPERVISOR in self.grants.roles and Role.SUPERVISOR not in caller.roles:
            return SUPERVISOR_MUST_APPROVE
        return None

    def decided(self, caller: Principal, state: str, now: datetime) -> "Proposal":
        """Returns the proposal with the caller's decision."""
        return replace(self, state=state, decided_by=caller.sub, decided_at=now)


def listed_keys(client: Client) -> Sequence[Mapping[str, str]]:
    """Returns a client's public keys as they are shown; `exp` is the instant (epoch seconds) at which a key retires."""
    return [dict(jwk) for jwk in client.jwks]
