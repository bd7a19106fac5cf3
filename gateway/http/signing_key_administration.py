"""The HTTP face of signing keys and revocations. It decides nothing."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import made_without_address
from chengxin.http.web import answer
from gateway.context import GatewayContext
from gateway.http import administration_answers as answers
from gateway.http import administration_bodies as bodies
from gateway.usecases import (
    revocation,
    signing_key_administration,
)

_KEYS: Final = Tag(name="identity: keys", description="Signing keys and revocation")


def add_signing_keys(app: OpenAPI, ctx: GatewayContext) -> None:
    """Adds the addresses to the app."""

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
        responses={201: made_without_address(answers.SigningKeyAnswer, "keys are read as a list")},
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
