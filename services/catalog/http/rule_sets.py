"""The views of rule sets. They decide nothing."""

from typing import ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, made_without_address
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import PageQuery, RepeatableRequest, answer
from chengxin.proposals.proposal import Proposal
from chengxin.values.page_tokens import decode_page_token
from services.catalog.context import CatalogContext
from services.catalog.domain.rule_set import RuleSet
from services.catalog.http import schemas
from services.catalog.http.responses import page
from services.catalog.usecases import rule_sets as rules

RULES_TAG: Final = Tag(name="catalog rules", description="Deadlines with effective dates, and the working-day calendar")


class RulesQuery(PageQuery):
    """The rule sets that are asked for."""

    beyond_schema: ClassVar[str] = "A name that a rule set has"

    name: str = Field("", max_length=64, description="Empty: all")


def add_rule_sets(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of rule sets."""

    @app.get(
        "/v1/catalog/rules",
        tags=[RULES_TAG],
        summary="Rule sets, every version",
        responses={200: schemas.RuleSetsAnswer},
    )
    @serves(rules.listed)
    def rule_sets(query: RulesQuery) -> Response:
        """The newest version that is effective is in force."""
        name, version = decode_page_token(query.page_token, str, int) or ["", 0]
        found = rules.listed(ctx, caller(), query.name, (name, version), query.page_size)
        return page("rule_sets", found, query.page_size, lambda rules: [rules.name, rules.version])

    @app.post(
        "/v1/catalog/rules",
        tags=[RULES_TAG],
        summary="Publish the next version of a rule set",
        responses={
            201: made_without_address(schemas.RuleSetAnswer, "versions are read as a list"),
            202: ProposalAnswer,
        },
    )
    @serves(rules.publish)
    def publish_rules(body: schemas.RuleSetBody, header: RepeatableRequest) -> Response:
        """They take effect today or later; past decisions keep the version that they were made under. That drafts need no
        review any more takes a second officer."""
        published = rules.publish(
            ctx, caller(), RuleSet(body.name, body.effective_from, body.values), header.idempotency_key
        )
        return proposed(published.to_dict()) if isinstance(published, Proposal) else answer(published.to_dict(), 201)

    @app.post(
        "/v1/catalog/rules/preview",
        tags=[RULES_TAG],
        summary="What publishing rules would change",
        responses={200: schemas.RulesPreviewAnswer, 409: ProblemDocument},
    )
    @serves(rules.preview)
    def preview_rules(body: schemas.RuleSetBody) -> Response:
        """It publishes nothing, and refuses the same rules as publication does."""
        asked = RuleSet(body.name, body.effective_from, body.values)
        return answer(rules.preview(ctx, caller(), asked))
