"""The authority publishes rule sets: deadlines, periods and thresholds with effective dates (Art. 29, 33)."""

from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, two
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, ROLE_NOT_ALLOWED, InBoth, Problem
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.document import RawDocument
from chengxin.values.named_things import unknown_name
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.rule_set import FORMS, RuleSet, read_rule_set
from services.catalog.usecases.read_catalog import EVERYBODY

# The catalog itself, as the actor that seeds the data of a new system.
OWN: Final = Principal("catalog", frozenset({Role.SERVICE}), client_id="catalog")


def no_other_service(ctx: CatalogContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """Of the services only the catalog itself, to seed the data of a new system."""
    if Role.AUTHORITY in caller.roles or caller.sub == OWN.sub:
        return None
    return ROLE_NOT_ALLOWED(roles=", ".join(sorted(caller.roles)), required=Role.AUTHORITY)


@query(Act.RULES_LISTED, roles=EVERYBODY, articles=("29", "33"), unrecorded=NO_CREDIT_INFORMATION)
def listed(ctx: CatalogContext, caller: Principal, name: str, after: tuple[str, int], size: int) -> list[RuleSet]:
    """Returns every version of the rule sets, by name and version; one more than `size` when there are more. Raises
    INPUT_INVALID for a name that no rule set has."""
    found = ctx.store.rule_sets(name, after, size + 1)
    if name and not found and name not in FORMS and not ctx.store.newest_rule_set(name):
        raise INPUT_INVALID(fields=[unknown_name("name", "unknown_rule_set", name, FORMS.keys())])
    return found


@command(
    Act.RULES_PUBLISHED,
    roles={Role.AUTHORITY, Role.SERVICE},
    articles=("29", "33"),
    when=(no_other_service,),
    power=Power(
        CITY,
        two(
            "one officer alone could end the review of drafts, and publish her own; other rules give nobody access, are "
            "public before they are in force, and are published at once"
        ),
        "everybody, who reads the rules; their followers, by the feed",
    ),
)
def publish(ctx: CatalogContext, caller: Principal, rules: RuleSet, key: str = "") -> RuleSet | Proposal:
    """Publishes the next version of a rule set; that drafts need no review any more is a proposal.

    Raises INPUT_INVALID, RULES_BACKDATED, RULES_OVERLAP, EFFECTIVE_IMPLAUSIBLE.
    """
    must_be_sound(rules.findings())

    def work(unit: UnitOfWork) -> RuleSet | Proposal:
        before = ctx.store.newest_rule_set(rules.name, unit)
        following = rules.following(before, ctx.clock.today())
        if before is not None and rules.loosens(before):
            return propose(ctx, caller, unit, Act.RULES_PUBLISHED, rules.name, "", following.to_dict())
        _save(ctx, caller, unit, following)
        return following

    def again(answer: RawDocument) -> RuleSet | Proposal:
        return ctx.proposals.get(answer.get("proposal_id", "")) or read_rule_set(answer)

    asked = canonical([Act.RULES_PUBLISHED, rules.to_dict()])
    return ctx.store.once(caller.sub, key, asked, work, lambda made: made.to_dict()).or_read(again)


def load_newest(ctx: CatalogContext, proposal: Proposal, unit: UnitOfWork) -> RuleSet | None:
    """Reads the version that a proposal is to follow."""
    return ctx.store.newest_rule_set(proposal.target, unit)


@carries_out(Act.RULES_PUBLISHED, region=CITY, approvers={Role.AUTHORITY, Role.SUPERVISOR}, load=load_newest)
def publish_proposed(
    ctx: CatalogContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, newest: RuleSet | None
) -> None:
    """The looser rules are published. Raises PROPOSAL_OUTDATED, RULES_BACKDATED."""
    asked = read_rule_set(proposal.asked)
    following = asked.following(newest, ctx.clock.today())
    if following.version != asked.version:
        raise PROPOSAL_OUTDATED(what=InBoth("规则集的最新版本", "the newest version of the rule set"))
    _save(ctx, caller, unit, following, **proposal.on_record())


def _save(ctx: CatalogContext, caller: Principal, unit: UnitOfWork, published: RuleSet, **approval: str) -> None:
    ctx.store.save_rule_set(published, unit)
    unit.publish("rule_set", rule_set=published.to_dict())
    details = published.to_dict() | approval
    unit.record(ctx.audit.event(Act.RULES_PUBLISHED, caller, details=details).encode())


@query(
    Act.RULES_PREVIEWED, roles={Role.AUTHORITY, Role.CENTRE}, articles=("29", "33"), unrecorded=NO_CREDIT_INFORMATION
)
def preview(ctx: CatalogContext, caller: Principal, rules: RuleSet) -> dict[str, object]:
    """Returns the changes that publishing rules would make, value by value; it publishes nothing.

    Raises INPUT_INVALID, RULES_BACKDATED, RULES_OVERLAP, EFFECTIVE_IMPLAUSIBLE.
    """
    must_be_sound(rules.findings())
    before = ctx.store.newest_rule_set(rules.name)
    return {"rule_set": rules.following(before, ctx.clock.today()).to_dict(), "changes": rules.changes(before)}
