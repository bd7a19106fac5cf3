"""The page for direct reporting (Art. 10), for a provider's officer, in Chinese first.

Its script (`static/report.js`) is one more client of the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from chengxin.auth.principal import Role
from chengxin.auth.request_context import caller
from chengxin.http.page_shell import Templates
from chengxin.values.clock import SHANGHAI
from chengxin.values.page_tokens import encode_page_token
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import begun_versions
from services.ingest.domain.submission_view import SubmissionView
from services.ingest.http.page_messages import WORDS
from services.ingest.usecases import agreements, read_submissions

SCRIPT: Final = Path(__file__).parents[1] / "static" / "report.js"
_PER_PAGE: Final = 20


@dataclass(frozen=True)
class SubmissionLine:
    """A submission on the page."""

    submission_id: str
    provider: str
    provider_name: str
    entry_code: str
    entry_name: str
    file_name: str
    # In Asia/Shanghai.
    begun: datetime
    closed: bool
    counts: Mapping[str, int]


class Pages:
    """Renders the page, and escapes what providers wrote."""

    def __init__(self, ctx: IngestContext) -> None:
        self._ctx = ctx
        self._templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    def report(self, provider: str, after: Any, language: str) -> str:
        """The form for the entries that name the caller's organisation, and the last submissions (an organ: of all
        providers, or of one)."""
        found, following = read_submissions.submissions(self._ctx, caller(), provider, after, _PER_PAGE)
        today = self._ctx.clock.today().isoformat()
        heads = begun_versions(self._ctx.directory.heads(), today)
        names = {entry.code: entry.name.text(language) for entry in heads}
        called = {p.uscc: p.name for entry in heads for p in entry.providers}
        own = [entry for entry in heads if entry.in_force(today) and entry.provider(caller().org)]
        return self._templates.render(
            "report.html",
            language,
            delivers=Role.PROVIDER in caller().roles,
            organisation=called.get(caller().org) or self._organ(language),
            agreement=self._signing_agreement(),
            entries=[(entry.code, entry.name.text(language)) for entry in own],
            narrowed=provider,
            lines=[_line(row, names, called) for row in found],
            first=after is None,
            more=encode_page_token(following),
            scripted={key: text for key, text in self._templates.words(language).items() if key.startswith("js.")},
        )

    def _organ(self, language: str) -> str:
        """The capacity and organisation code of an organ's officer: no entry names the organisation."""
        words = self._templates.words(language)
        told = [words[f"role.{role}"] for role in sorted(caller().roles) if f"role.{role}" in words]
        return " ".join((*told, caller().org))

    def _signing_agreement(self) -> str:
        """The caller's agreement where it demands that deliveries are signed; empty where it does not."""
        terms = agreements.terms_of(self._ctx, caller().org)
        return terms.document if terms and terms.signature_required else ""


def _line(found: SubmissionView, names: dict[str, str], called: dict[str, str]) -> SubmissionLine:
    return SubmissionLine(
        found.submission_id,
        found.provider,
        called.get(found.provider) or found.provider,
        found.entry_code,
        names.get(found.entry_code, ""),
        found.file_name,
        found.created_at.astimezone(SHANGHAI),
        found.receipt is not None,
        found.counts,
    )
