"""The HTTP face of administration: clients, officers, grants, signing keys, revocations. It decides nothing."""

from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument
from chengxin.http.proposals import ProposalAnswer, add_proposals, proposed
from chengxin.http.web import PageQuery, RepeatableRequest, answer
from chengxin.values.page_tokens import encode_page_token, text_after
from gateway.context import GatewayContext
from gateway.domain.separation_of_duties import Grants
from gateway.http import administration_answers as answers
from gateway.http import administration_bodies as bodies
from gateway.usecases import (
    client_administration,
    grants,
    officer_administration,
    revocation,
    signing_key_administration,
)

_CLIENTS: Final = Tag(name="identity: clients", description="Organisations' systems, for the authority and the centre")
_OFFICERS: Final = Tag(name="identity: officers", description="Officers' accounts, for the authority")
_KEYS: Final = Tag(name="identity: keys", description="Signing keys and revocation")


def add_administration(app: OpenAPI, ctx: GatewayContext) -> None:
    """Adds the addresses to the app."""
    _add_clients(app, ctx)
    _add_client_keys(app, ctx)
    _add_officers(app, ctx)
    _add_sessions(app, ctx)
    add_proposals(app, ctx, "/v1/identity")
    _add_keys(app, ctx)


def _add_clients(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/clients", tags=[_CLIENTS], summary="Register a client", responses={201: answers.ClientAnswer}
    )
    @serves(client_administration.register)
    def register_client(body: bodies.ClientBody, header: RepeatableRequest) -> Response:
        """The client comes with its first key. It can do nothing until grants are approved."""
        return answer(
            client_administration.register(
                ctx, caller(), client_administration.ClientRegistration(**body.model_dump()), header.idempotency_key
            ),
            201,
        )

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
        return _page("clients", found, query.page_size, "client_id")

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
        responses={201: answers.ClientAnswer, 202: ProposalAnswer},
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


def _add_officers(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/officers",
        tags=[_OFFICERS],
        summary="Make an officer's account",
        responses={201: answers.NewOfficerAnswer},
    )
    @serves(officer_administration.register)
    def register_officer(body: bodies.OfficerBody) -> Response:
        """Only this answer has the initial password and the TOTP secret."""
        return _secret(
            answer(
                officer_administration.register(ctx, caller(), officer_administration.NewOfficer(**body.model_dump())),
                201,
            )
        )

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
        return _page("officers", found, query.page_size, "username")

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


def _add_sessions(app: OpenAPI, ctx: GatewayContext) -> None:
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


def _add_keys(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.get(
        "/v1/identity/signing-keys",
        tags=[_KEYS],
        summary="The keys that verify tokens",
        responses={200: answers.SigningKeysAnswer},
    )
    @serves(signing_key_administration.list_keys)
    def list_signing_keys() -> Response:
        """The newest come first."""
        return answer({"signing_keys": signing_key_administration.list_keys(ctx, caller())})

    @app.post(
        "/v1/identity/signing-keys",
        tags=[_KEYS],
        summary="Rotate the signing key",
        responses={201: answers.SigningKeyAnswer},
    )
    @serves(signing_key_administration.rotate)
    def rotate_signing_key() -> Response:
        """Earlier tokens stay good until they expire."""
        return answer(signing_key_administration.rotate(ctx, caller()), 201)

    @app.post(
        "/v1/identity/signing-keys/<kid>/revoke",
        tags=[_KEYS],
        summary="Revoke a signing key",
        responses={200: answers.SigningKeyAnswer},
    )
    @serves(signing_key_administration.revoke)
    def revoke_signing_key(path: bodies.KeyPath) -> Response:
        """For a key that others may know: all tokens that it signed end, and their holders sign in again."""
        return answer(signing_key_administration.revoke(ctx, caller(), path.kid))

    @app.get(
        "/v1/identity/revocations", tags=[_KEYS], summary="What is revoked", responses={200: answers.RevocationsAnswer}
    )
    @serves(revocation.list_revocations)
    def list_revocations() -> Response:
        """The services' verifiers read it."""
        return answer({"revocations": revocation.list_revocations(ctx, caller())})


def _secret(found: Response) -> Response:
    found.headers["Cache-Control"] = "no-store"
    return found


def _page(name: str, found: list[dict[str, Any]], size: int, key: str) -> Response:
    page = found[:size]
    more = encode_page_token(page[-1][key] if len(found) > size else None)
    return answer({name: page, "next_page_token": more})
