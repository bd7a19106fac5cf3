"""The audit service's process."""

import json
import sys
from typing import TYPE_CHECKING, Any

from chengxin.process.runtime import Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from chengxin.auth.admission import Admission
    from services.audit.context import AuditContext


def faces(
    ctx: "AuditContext", admission: "Admission | None", ready: "Callable[[], dict[str, bool]]"
) -> tuple[Any, Any]:
    """The app, and the servicers as `make_server` takes them."""
    from chengxin_api.audit.v1 import audit_pb2_grpc
    from services.audit.grpc.servicer import NAME, AuditServicer
    from services.audit.http.events import make_audit_app

    servicers = [(audit_pb2_grpc.add_AuditServiceServicer_to_server, AuditServicer(ctx), NAME)]
    return make_audit_app(ctx, admission, ready), servicers


def compose() -> Service:
    """Wires the audit service. It needs its store to begin; keys that verify callers, and what was revoked, are fetched
    from the gateway when the first one calls. It waits for neither, because the gateway may be waiting for it."""
    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.auth.access_tokens import load_private_key
    from chengxin.auth.admission import Admission
    from chengxin.auth.revocation import RevocationReloader, Revocations, fetch_revocations
    from chengxin.grpc.rpc import make_server
    from chengxin.process.bootstrap import make_token_source, make_verifier
    from chengxin.process.settings import Settings
    from chengxin.store.database import Store
    from chengxin.values.clock import SystemClock
    from services.audit.clients.revocations import RELOAD_SECONDS, with_fresh_token
    from services.audit.context import make_context
    from services.audit.log.checkpoint_signer import CheckpointSigner
    from services.audit.store.log import AuditStore

    settings = Settings()
    clock = SystemClock()
    store = Store(settings.mongo_uri.get_secret_value(), "audit", clock)
    tokens = make_token_source("audit", settings)
    revocations = Revocations(with_fresh_token(fetch_revocations(settings.gateway_url, tokens, settings.trust), tokens))
    ctx = make_context(AuditStore(store), CheckpointSigner.of(load_private_key(settings.key_file)), clock)

    @retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    def prepare() -> None:
        ctx.store.create_indexes()

    store.prepare(prepare)
    admission = Admission(make_verifier(settings, revocations), ctx.audit, store.silence)
    app, servicers = faces(ctx, admission, ctx.ready)
    server = make_server(settings.grpc_listen, admission, servicers)
    # The log's threads are background work; they begin before the first call, since calls wait for them.
    return Service(app, server, [ctx, RevocationReloader(revocations, RELOAD_SECONDS)], store.close)


def policy() -> list[dict[str, Any]]:
    """The rules of both faces."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from services.audit.context import AuditContext

    app, servicers = faces(placeholder(AuditContext), None, dict)
    return policy_table("audit", app, [(type(servicer), name) for _, servicer, name in servicers])


def main(arguments: list[str]) -> None:
    """Runs what the arguments ask for."""
    match arguments:
        case []:
            from chengxin.process.settings import Settings

            serve("audit", Settings().http_listen, compose)
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case _:
            sys.exit("usage: python -m services.audit [--policy]")


if __name__ == "__main__":
    main(sys.argv[1:])
