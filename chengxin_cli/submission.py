"""A delivery from the provider's side: batches over gRPC, resumed after whatever breaks it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from chengxin.errors import Problem
from chengxin.tabular.batches import in_batches
from chengxin.tabular.columns import Columns
from chengxin.tabular.rejects import Rejected
from chengxin.tabular.source import Source
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_cli.gateway_client import Caller

# A gateway or a store that is restarted is back well before; each committed batch begins the count anew.
_PATIENCE_SECONDS: Final = 120
_PAGE: Final = 500
_SHOWN: Final = 10
_PASSING: Final = {
    "GATEWAY_UNREACHABLE",
    "UPSTREAM_UNAVAILABLE",
    "STORE_UNAVAILABLE",
    "AUDIT_UNAVAILABLE",
    "DELIVERY_BROKEN_OFF",
}


@dataclass
class FileSubmission:
    """One delivery of one file."""

    provider: Caller
    submission_id: str
    entry_code: str
    file_name: str
    file_sha256: str
    count: int
    console: Console
    # The provider's signed word on it (`chengxin.values.provider_statement`); empty: none.
    signature: str = ""
    # What was committed when it was last asked, and since when attempts fail without committing more.
    _committed: int = 0
    _failing_since: float | None = None

    def delivered(self) -> pb.Receipt | None:
        """The receipt of this very file, when it was delivered before. Raises `Problem`."""
        found = self._found()
        return found.receipt if found is not None and found.HasField("receipt") else None

    def send(self, source: Source, columns: Columns) -> pb.Receipt:
        """Streams what is not committed yet until the receipt comes. Raises `Problem`."""
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self.console,
        ) as progress:  # fmt: skip
            bar = progress.add_task(self.file_name, total=self.count)

            def exhausted(_: RetryCallState) -> bool:
                self._failing_since = self._failing_since or time.monotonic()
                return time.monotonic() - self._failing_since > _PATIENCE_SECONDS

            def wait(state: RetryCallState) -> None:
                error = state.outcome.exception() if state.outcome else None
                progress.console.print(f"{error}; going on from the last committed batch")

            again = Retrying(
                retry=retry_if_exception(_passing),
                wait=wait_random_exponential(0.2, 5),
                stop=exhausted,
                before_sleep=wait,
                reraise=True,
            )
            receipt = again(self._attempt, source, columns, progress, bar)
            progress.update(bar, completed=self.count)
        return receipt

    def rejects(self) -> Iterator[Rejected]:
        """Every rejected record with its reasons."""
        token = ""
        while True:
            page = self._page(_PAGE, token)
            for reject in page.rejects:
                yield reject.row, dict(reject.items), [violation.message for violation in reject.violations]
            if not (token := page.next_page_token):
                return

    def first_rejects(self) -> Any:
        """The first few, to show."""
        return self._page(_SHOWN, "").rejects

    def _attempt(self, source: Source, columns: Columns, progress: Progress, bar: Any) -> pb.Receipt:
        found = self._found()
        committed = found.batches_committed if found else 0
        if committed > self._committed:
            self._committed, self._failing_since = committed, None
        parts = self._parts(source, columns, committed, progress, bar)
        receipt: pb.Receipt = self.provider.rpc("IngestService/Submit", parts, None)
        return receipt

    def _parts(
        self, source: Source, columns: Columns, committed: int, progress: Progress, bar: Any
    ) -> Iterator[pb.SubmitRequest]:
        header = pb.SubmissionHeader(
            submission_id=self.submission_id,
            entry_code=self.entry_code,
            file_name=self.file_name,
            file_sha256=self.file_sha256,
            record_count=self.count,
            signature=self.signature,
        )
        yield pb.SubmitRequest(header=header)
        sent = 0
        for number, rows in enumerate(in_batches(source.rows(columns)), 1):
            sent += len(rows)
            if number > committed:
                records = [pb.Record(row=row.number, items=row.items) for row in rows]
                yield pb.SubmitRequest(batch=pb.RecordBatch(number=number, records=records))
            progress.update(bar, completed=sent)

    def _found(self) -> pb.Submission | None:
        request = pb.GetSubmissionRequest(submission_id=self.submission_id)
        try:
            found: pb.Submission = self.provider.rpc("IngestService/GetSubmission", request, 30)
        except Problem as e:
            if e.code == "NOT_FOUND":
                return None
            raise
        return found

    def _page(self, size: int, token: str) -> Any:
        request = pb.ListRejectsRequest(submission_id=self.submission_id, page_size=size, page_token=token)
        return self.provider.rpc("IngestService/ListRejects", request)


def verified(jws: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a receipt says. Raises `jwt.InvalidTokenError` unless one of the keys signed it."""
    kid = jwt.get_unverified_header(jws).get("kid")
    known = {key["kid"]: key for key in keys["keys"]}
    if kid not in known:
        raise jwt.InvalidTokenError(f"no key {kid} among the receipt keys")
    return dict(jwt.decode(jws, jwt.PyJWK(known[kid]).key, algorithms=["EdDSA"]))


def _passing(error: BaseException) -> bool:
    return isinstance(error, Problem) and error.code in _PASSING
