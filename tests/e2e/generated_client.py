"""A client that openapi-python-client generates from the published description, and short words to call it with."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from chengxin_cli.gateway_client import Edge

# The generator knows no workbooks; they are bytes like any file. Nothing formats what is used once.
_CONFIGURATION: Final = """
content_type_overrides:
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: application/octet-stream
post_hooks: []
"""


def generate(edge: Edge, directory: Path, package: str) -> None:
    """Makes the package in a directory. A warning of the generator is a fault of the description."""
    (directory / "configuration.yml").write_text(_CONFIGURATION)
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"]
    source = ["--url", f"{edge.http}/openapi.json", "--config", str(directory / "configuration.yml")]
    made = subprocess.run(
        [*command, *source, "--meta", "none", "--output-path", str(directory / package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


@dataclass(frozen=True)
class GeneratedClient:
    """The generated client of somebody, who may have a token."""

    package: str
    http: str
    token: Callable[[], str] | None = None

    def ask(self, operation: str, *path: Any, status: int = 200, **given: Any) -> Any:
        """What an operation (`<tag>.<operation id>`) answers, as the generated model. Fails for another status."""
        made = importlib.import_module(f"{self.package}.client")
        if self.token is None:
            client = made.Client(base_url=self.http, raise_on_unexpected_status=True)
        else:
            client = made.AuthenticatedClient(base_url=self.http, token=self.token(), raise_on_unexpected_status=True)
        with client:
            call = importlib.import_module(f"{self.package}.api.{operation}").sync_detailed
            answer = call(*path, client=client, **given)
        assert answer.status_code == status, f"{operation}: {answer.status_code} {answer.content!r}"
        # Whatever the description says, it parsed.
        assert answer.parsed is not None, operation
        return answer.parsed

    def model(self, kind: str, **members: Any) -> Any:
        """One of the generated models."""
        return self._class(kind).from_dict(members)

    def upload(self, form: str, file: tuple[str, bytes, str], **members: str) -> Any:
        """One of the generated models of a form with a file: name, content and media type."""
        name, content, media_type = file
        types = importlib.import_module(f"{self.package}.types")
        return self._class(form)(file=types.File(BytesIO(content), name, media_type), **members)

    def _class(self, name: str) -> Any:
        return getattr(importlib.import_module(f"{self.package}.models"), name)
