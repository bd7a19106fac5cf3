"""The HTTP face of clients: registrations, what they may do, their keys. It decides nothing."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, made, made_without_address
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import PageQuery, RepeatableRequest, answer, at_address
from chengxin.values.page_tokens import text_after
from gateway.context import GatewayContext
from gateway.http import administration_answers as answers
from gateway.http import administration_bodies as bodies
from gateway.usecases import (
    client_administration,
    grants,
)

_CLIENTS: Final = Tag(name="identity: clients", description="Organisations' systems, for the authority and the centre")


def add_clients(app: OpenAPI, ctx: GatewayContext) -> None:
    """Adds the addresses to the app."""
    _add_registrations(app, ctx)
    _add_powers(app, ctx)
    _add_client_keys(app, ctx)


def _add_registrations(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/clients",
        tags=[_CLIENTS],
        summary="Register a client",
        responses={201: made(answers.ClientAnswer)},
    )
    @serves(client_administration.register)
    def register_client(body: bodies.ClientBody, header: RepeatableRequest) -> Response:
        """The client comes with its first key. It can do nothing until grants are approved."""
        registration = client_administration.ClientRegistration(**body.model_dump())
        found = answer(client_administration.register(ctx, caller(), registration, header.idempotency_key), 201)
        return at_address(found, "/v1/identity/clients/{}", registration.client_id)

    @app.get(
        "/v1/identity/clients",
        tags=[_CLIENTS],
        summary="Clients of the caller's region",
        responses={200: answers.ClientsAnswer},
    )
    @serves(client_administration.list_clients)
    def list_clients(query: PageQuery) -> Response:
        """They are sorted by id."""
        found = client_administration.list_clients(ctx, caller(), text_after(query.page_token), query.page_size + 1)
        return answers.page_of("clients", found, query.page_size, "client_id")

    @app.get(
        "/v1/identity/clients/me",
        tags=[_CLIENTS],
        summary="The caller's own registration",
        responses={200: answers.OwnClientAnswer, 404: ProblemDocument},
    )
    @serves(client_administration.read_own)
    def read_own_client() -> Response:
        """For a client's holder: its keys and grants, and what officers have proposed for it (`proposals`)."""
        return answer(client_administration.read_own(ctx, caller()))

    @app.get(
        "/v1/identity/clients/<client_id>", tags=[_CLIENTS], summary="One client", responses={200: answers.ClientAnswer}
    )
    @serves(client_administration.read)
    def read_client(path: bodies.ClientPath) -> Response:
        """The answer has its registration, keys and grants."""
        return answer(client_administration.read(ctx, caller(), path.client_id))


def _add_powers(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/clients/<client_id>/grants",
        tags=[_CLIENTS],
        summary="Propose what a client may do",
        responses={200: ProposalAnswer, 202: ProposalAnswer},
    )
    @serves(grants.propose_for_client)
    def propose_client_grants(
        path: bodies.ClientPath, body: bodies.ClientGrantsBody, header: RepeatableRequest
    ) -> Response:
        """Less than before is in force at once (`state` applied); more waits for a second officer (open)."""
        return proposed(grants.propose_for_client(ctx, caller(), path.client_id, body.grants(), header.idempotency_key))

    @app.post(
        "/v1/identity/clients/<client_id>/suspend",
        tags=[_CLIENTS],
        summary="Suspend a client",
        responses={200: answers.ClientAnswer},
    )
    @serves(client_administration.suspend)
    def suspend_client(path: bodies.ClientPath) -> Response:
        """The client gets no more tokens, and those that it has end within a minute everywhere."""
        return answer(client_administration.suspend(ctx, caller(), path.client_id))

    @app.post(
        "/v1/identity/clients/<client_id>/resume",
        tags=[_CLIENTS],
        summary="End a suspension",
        responses={202: ProposalAnswer},
    )
    @serves(client_administration.resume)
    def resume_client(path: bodies.ClientPath) -> Response:
        """The client may obtain tokens again when a second officer has approved."""
        return proposed(client_administration.resume(ctx, caller(), path.client_id))


def _add_client_keys(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/clients/<client_id>/keys",
        tags=[_CLIENTS],
        summary="Add or rotate a client's key",
        responses={
            201: made_without_address(answers.ClientAnswer, "a key is read with its client"),
            202: ProposalAnswer,
        },
    )
    @serves(client_administration.add_key)
    def add_client_key(path: bodies.ClientPath, body: bodies.ClientKeyBody, header: RepeatableRequest) -> Response:
        """With `overlap_hours`, the earlier keys retire by themselves. For a client with roles the answer is a proposal
        (202): a second officer approves it.
        """
        found = client_administration.add_key(
            ctx, caller(), path.client_id, body.jwk, body.overlap_hours, header.idempotency_key
        )
        return proposed(found) if "proposal_id" in found else answer(found, 201)

    @app.delete(
        "/v1/identity/clients/<client_id>/keys/<kid>",
        tags=[_CLIENTS],
        summary="Retire a client's key",
        responses={200: answers.ClientAnswer},
    )
    @serves(client_administration.retire_key)
    def retire_client_key(path: bodies.ClientKeyPath) -> Response:
        """The key is refused from now on."""
        return answer(client_administration.retire_key(ctx, caller(), path.client_id, path.kid))
