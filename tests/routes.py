"""Every route of the gateway and the services, of apps that know their callers but have nothing to answer from."""

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from flask import Flask

from chengxin.auth.admission import Admission
from chengxin.auth.policy_table import placeholder
from chengxin.auth.principal import Principal
from chengxin.errors import Problem
from chengxin.http.description import DescribedApp
from chengxin.store.silent_store import StoreSilence
from chengxin.values.acts import Act
from chengxin_cli.suite.home import SERVICES
from gateway.http.gateway import make_own_app
from tests.support import Issuer

APPS = (*SERVICES, "gateway")


@dataclass
class Refused:
    """Keeps the refusals that would go on record."""

    problems: list[Problem] = field(default_factory=list)

    def refused(self, act: Act, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None:
        self.problems.append(problem)


@dataclass(frozen=True)
class Route:
    """A method of an address."""

    method: str
    # With a 1 for each of its parameters.
    path: str
    # The address as its app's description has it.
    described_as: str
    view: Any

    @property
    def roles(self) -> list[str]:
        """The roles that may call it; none when it is open to all."""
        rule = getattr(self.view, "rule", None)
        return [] if rule is None or hasattr(self.view, "open_to_all") else sorted(rule.roles)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def app_of(service: str, issuer: Issuer) -> Flask:
    """The app of a service or the gateway. What gets as far as a use case finds nothing to work on."""
    anything: Any = placeholder(object)
    silence = StoreSilence(int)
    if service == "gateway":
        ctx: Any = SimpleNamespace(audit=Refused(), store=SimpleNamespace(silence=silence))
        return make_own_app(
            *(ctx, anything, dict, lambda own: own, issuer.verifier),
            provider=anything,
            operations=anything,
            grpc_edge_serves=bool,
        )
    admission = Admission(issuer.verifier, Refused(), silence)
    app: Flask = importlib.import_module(f"services.{service}.__main__").faces(anything, admission, dict)[0]
    return app


def routes(app: Flask) -> Iterator[Route]:
    """Every route, with each of its methods but those that Flask adds."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(
                method,
                re.sub(r"<[^>]*>", "1", rule.rule),
                DescribedApp.path_of(rule.rule),
                app.view_functions[rule.endpoint],
            )
