"""The page for direct reporting (Art. 10): what a provider's officer needs beside the API, Chinese first.

What happens on it is the API's: its script (`static/report.js`) is one more client.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from chengxin.auth.principal import Role
from chengxin.auth.request_context import caller
from chengxin.errors import Problem
from chengxin.http.pages import Templates
from chengxin.values.clock import SHANGHAI
from chengxin.values.document import RawDocument
from chengxin.values.page_tokens import encode_page_token
from services.ingest.context import IngestContext
from services.ingest.http.page_messages import WORDS
from services.ingest.usecases import read_submissions

SCRIPT: Final = Path(__file__).parents[1] / "static" / "report.js"
_PER_PAGE: Final = 20


@dataclass(frozen=True)
class Line:
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
    counts: dict[str, int]


class Pages:
    """Renders the page. What providers wrote is escaped."""

    def __init__(self, ctx: IngestContext) -> None:
        self._ctx = ctx
        self._templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    def report(self, provider: str, after: Any, language: str) -> str:
        """The form for the entries that name the caller's organisation, and the last submissions (an organ: of all
        providers, or of one)."""
        found, following = read_submissions.submissions(self._ctx, caller(), provider, after, _PER_PAGE)
        heads = self._ctx.directory.heads()
        names = {entry.code: entry.name.text(language) for entry in heads}
        today = self._ctx.clock.today().isoformat()
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

    def refused(self, problem: Problem, language: str) -> str:
        """Why the page is not shown, and the way back."""
        told = [field.message for field in problem.fields]
        return self._templates.render("refused.html", language, text=problem.text(language), told=told)

    def _organ(self, language: str) -> str:
        """In what capacity an organ's officer looks, and her organisation's code: no entry names it."""
        words = self._templates.words(language)
        told = [words[f"role.{role}"] for role in sorted(caller().roles) if f"role.{role}" in words]
        return " ".join((*told, caller().org))

    def _signing_agreement(self) -> str:
        """The caller's agreement where it demands that deliveries are signed; empty where it does not."""
        found = self._ctx.store.providers.agreement(caller().org)
        return str(found["document"]) if found and found["signature_required"] else ""


def _line(row: RawDocument, names: dict[str, str], called: dict[str, str]) -> Line:
    return Line(
        row["submission_id"],
        row["provider"],
        called.get(row["provider"]) or row["provider"],
        row["entry_code"],
        names.get(row["entry_code"], ""),
        row.get("file_name") or "",
        row["created_at"].astimezone(SHANGHAI),
        bool(row.get("receipt")),
        dict(row["counts"]),
    )
