"""The HTTP face of officers: their accounts, roles, secrets and sign-ins. It decides nothing."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import made
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import PageQuery, RepeatableRequest, answer, at_address
from chengxin.values.page_tokens import text_after
from gateway.context import GatewayContext
from gateway.domain.separation_of_duties import Grants
from gateway.http import administration_answers as answers
from gateway.http import administration_bodies as bodies
from gateway.usecases import (
    grants,
    officer_administration,
)

_OFFICERS: Final = Tag(name="identity: officers", description="Officers' accounts, for the authority")


def add_officers(app: OpenAPI, ctx: GatewayContext) -> None:
    """Adds the addresses to the app."""
    _add_accounts(app, ctx)
    _add_powers(app, ctx)
    _add_sign_ins(app, ctx)


def _add_accounts(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/officers",
        tags=[_OFFICERS],
        summary="Make an officer's account",
        responses={201: made(answers.NewOfficerAnswer)},
    )
    @serves(officer_administration.register)
    def register_officer(body: bodies.OfficerBody) -> Response:
        """Only this answer has the initial password and the TOTP secret."""
        officer = officer_administration.NewOfficer(**body.model_dump())
        found = answer(officer_administration.register(ctx, caller(), officer), 201)
        return _secret(at_address(found, "/v1/identity/officers/{}", officer.username))

    @app.get(
        "/v1/identity/officers",
        tags=[_OFFICERS],
        summary="Officers of the caller's region",
        responses={200: answers.OfficersAnswer},
    )
    @serves(officer_administration.list_officers)
    def list_officers(query: PageQuery) -> Response:
        """They are sorted by user name."""
        found = officer_administration.list_officers(ctx, caller(), text_after(query.page_token), query.page_size + 1)
        return answers.page_of("officers", found, query.page_size, "username")

    @app.get(
        "/v1/identity/officers/<username>",
        tags=[_OFFICERS],
        summary="One officer, with the sign-ins",
        responses={200: answers.OfficerDetailsAnswer},
    )
    @serves(officer_administration.read)
    def read_officer(path: bodies.OfficerPath) -> Response:
        """The answer has the account, whether it is locked, and the sign-ins whose tokens are not expired."""
        return answer(officer_administration.read(ctx, caller(), path.username))


def _add_powers(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/officers/<username>/roles",
        tags=[_OFFICERS],
        summary="Propose an officer's roles",
        responses={200: ProposalAnswer, 202: ProposalAnswer},
    )
    @serves(grants.propose_for_officer)
    def propose_roles(path: bodies.OfficerPath, body: bodies.RolesBody, header: RepeatableRequest) -> Response:
        """A supervisor does not operate. The roles come into force as a client's grants do."""
        asked = Grants(frozenset(body.roles))
        return proposed(grants.propose_for_officer(ctx, caller(), path.username, asked, header.idempotency_key))

    @app.post(
        "/v1/identity/officers/<username>/suspend",
        tags=[_OFFICERS],
        summary="Suspend an officer",
        responses={200: answers.OfficerAnswer},
    )
    @serves(officer_administration.suspend)
    def suspend_officer(path: bodies.OfficerPath) -> Response:
        """The officer cannot sign in, and the tokens end within a minute everywhere."""
        return answer(officer_administration.suspend(ctx, caller(), path.username))

    @app.post(
        "/v1/identity/officers/<username>/resume",
        tags=[_OFFICERS],
        summary="End an officer's suspension",
        responses={202: ProposalAnswer},
    )
    @serves(officer_administration.resume)
    def resume_officer(path: bodies.OfficerPath) -> Response:
        """The officer may sign in again when a second officer has approved."""
        return proposed(officer_administration.resume(ctx, caller(), path.username))


def _add_sign_ins(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/officers/<username>/reset",
        tags=[_OFFICERS],
        summary="Reset password and TOTP",
        responses={200: answers.OfficerResetAnswer},
    )
    @serves(officer_administration.reset)
    def reset_officer(path: bodies.OfficerPath) -> Response:
        """Only this answer has the new secrets. All earlier sign-ins are over. Until a second officer has approved, the
        new secrets are good for choosing a password alone.
        """
        return _secret(answer(officer_administration.reset(ctx, caller(), path.username)))

    @app.post(
        "/v1/identity/officers/<username>/unlock",
        tags=[_OFFICERS],
        summary="Unlock a user name",
        responses={200: answers.OfficerAnswer},
    )
    @serves(officer_administration.unlock)
    def unlock_officer(path: bodies.OfficerPath) -> Response:
        """The failed sign-ins are forgotten."""
        return answer(officer_administration.unlock(ctx, caller(), path.username))

    @app.post(
        "/v1/identity/officers/<username>/sign-out",
        tags=[_OFFICERS],
        summary="End all sign-ins of an officer",
        responses={200: answers.SignedOutAnswer},
    )
    @serves(officer_administration.sign_out)
    def sign_out_officer(path: bodies.OfficerPath) -> Response:
        """The officer's tokens end within a minute everywhere."""
        return answer(officer_administration.sign_out(ctx, caller(), path.username))

    @app.delete(
        "/v1/identity/officers/<username>/sessions/<jti>",
        tags=[_OFFICERS],
        summary="End one sign-in of an officer",
        responses={200: answers.SignedOutAnswer},
    )
    @serves(officer_administration.sign_out)
    def end_officer_session(path: bodies.SessionPath) -> Response:
        """The other sign-ins go on."""
        return answer(officer_administration.sign_out(ctx, caller(), path.username, path.jti))


def _secret(found: Response) -> Response:
    found.headers["Cache-Control"] = "no-store"
    return found
