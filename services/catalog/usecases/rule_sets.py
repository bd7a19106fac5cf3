"""The authority publishes rule sets: deadlines, periods and thresholds with effective dates (Art. 29, 33)."""

from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import of_the_city
from chengxin.errors import ROLE_NOT_ALLOWED, Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain.rule_set import RuleSet, read_rule_set
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
    """Returns every version of the rule sets, by name and version; one more than `size` when there are more."""
    return ctx.store.rule_sets(name, after, size + 1)


@command(
    Act.RULES_PUBLISHED,
    roles={Role.AUTHORITY, Role.SERVICE},
    articles=("29", "33"),
    when=(no_other_service, of_the_city),
)
def publish(ctx: CatalogContext, caller: Principal, rules: RuleSet, key: str = "") -> RuleSet:
    """Publishes the next version of a rule set.

    Raises INPUT_INVALID, RULES_BACKDATED, RULES_OVERLAP, EFFECTIVE_IMPLAUSIBLE.
    """
    must_be_sound(rules.findings())

    def work(unit: UnitOfWork) -> RuleSet:
        published = rules.following(ctx.store.newest_rule_set(rules.name, unit), ctx.clock.today())
        ctx.store.save_rule_set(published, unit)
        unit.publish("rule_set", rule_set=published.to_dict())
        unit.record(ctx.audit.event(Act.RULES_PUBLISHED, caller, details=published.to_dict()).encode())
        return published

    asked = canonical([Act.RULES_PUBLISHED, rules.to_dict()])
    return ctx.store.once(caller.sub, key, asked, work, RuleSet.to_dict).or_read(read_rule_set)


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
