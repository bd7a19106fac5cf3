"""A provider's delivery of a file: it sends batches over gRPC, and resumes after an interruption."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from chengxin.errors import Problem, unavailable
from chengxin.tabular.batches import in_batches
from chengxin.tabular.columns import Columns
from chengxin.tabular.rejects import Rejected
from chengxin.tabular.source import Source
from chengxin.values.shown_text import escape
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_cli.gateway_client import GATEWAY_UNREACHABLE, Caller

# A gateway or a store that is restarted is back well before; each committed batch starts the time again.
_PATIENCE_SECONDS: Final = 120
_PAGE_SIZE: Final = 500
_SHOWN_REJECTS: Final = 10
_TRANSIENT_CODES: Final = {
    GATEWAY_UNREACHABLE.code,
    "UPSTREAM_UNAVAILABLE",
    "STORE_UNAVAILABLE",
    "AUDIT_UNAVAILABLE",
    "DELIVERY_BROKEN_OFF",
}

DELIVERY_NOT_KNOWN = unavailable(
    "DELIVERY_NOT_KNOWN",
    "报送过程中连接中断（{reason}），是否已全部入库尚不清楚：再次运行同一命令即可得知并继续，已入库的不会重复入库",
    "The connection was lost during the delivery ({reason}): whether all of it is on record is not known; the same"
    " command again tells, and goes on; what is on record is not recorded twice",
)


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
    # The provider's signed statement about it (`chengxin.values.provider_statement`); empty when there is none.
    signature: str = ""
    # How long attempts may fail without a further committed batch.
    patience_seconds: float = _PATIENCE_SECONDS
    # How many batches were committed at the last look, and since when attempts fail without a further one.
    _committed: int = 0
    _failing_since: float | None = None

    def delivered(self) -> pb.Receipt | None:
        """The receipt of this very file; None unless it was delivered before. Raises `Problem`."""
        submission = self._fetch_submission()
        return submission.receipt if submission is not None and submission.HasField("receipt") else None

    def send(self, source: Source, columns: Columns) -> pb.Receipt:
        """Streams what is not committed yet until the receipt comes.

        Raises `Problem`; DELIVERY_NOT_KNOWN when patience ended, for the last answer may have been the lost one.
        """
        with Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self.console,
        ) as progress:  # fmt: skip
            bar = progress.add_task(escape(self.file_name), total=self.count)

            def is_out_of_patience(_: RetryCallState) -> bool:
                self._failing_since = self._failing_since or time.monotonic()
                return time.monotonic() - self._failing_since > self.patience_seconds

            def report_error(state: RetryCallState) -> None:
                error = state.outcome.exception() if state.outcome else None
                progress.console.print(f"{error}; going on from the last committed batch")

            retry = Retrying(
                retry=retry_if_exception(is_transient),
                wait=wait_random_exponential(0.2, 5),
                stop=is_out_of_patience,
                before_sleep=report_error,
                reraise=True,
            )
            try:
                receipt = retry(self._attempt, source, columns, progress, bar)
            except Problem as e:
                if not is_transient(e):
                    raise
                raise DELIVERY_NOT_KNOWN(reason=str(e)[:200]) from None
            progress.update(bar, completed=self.count)
        return receipt

    def rejects(self) -> Iterator[Rejected]:
        """Every rejected record with its reasons."""
        token = ""
        while True:
            page = self._fetch_rejects(_PAGE_SIZE, token)
            for reject in page.rejects:
                yield reject.row, dict(reject.items), [violation.message for violation in reject.violations]
            if not (token := page.next_page_token):
                return

    def first_rejects(self) -> Any:
        """The first few rejected records, to show to the user."""
        return self._fetch_rejects(_SHOWN_REJECTS, "").rejects

    def _attempt(self, source: Source, columns: Columns, progress: Progress, bar: Any) -> pb.Receipt:
        submission = self._fetch_submission()
        committed = submission.batches_committed if submission else 0
        if committed > self._committed:
            self._committed, self._failing_since = committed, None
        requests = self._make_requests(source, columns, committed, progress, bar)
        receipt: pb.Receipt = self.provider.rpc("IngestService/Submit", requests, None)
        return receipt

    def _make_requests(
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

    def _fetch_submission(self) -> pb.Submission | None:
        request = pb.GetSubmissionRequest(submission_id=self.submission_id)
        try:
            submission: pb.Submission = self.provider.rpc("IngestService/GetSubmission", request, 30)
        except Problem as e:
            if e.code == "NOT_FOUND":
                return None
            raise
        return submission

    def _fetch_rejects(self, size: int, token: str) -> Any:
        request = pb.ListRejectsRequest(submission_id=self.submission_id, page_size=size, page_token=token)
        return self.provider.rpc("IngestService/ListRejects", request)


def verified(jws: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a receipt `jws`. Raises `jwt.InvalidTokenError` unless one of the keys (JWKS) signed it."""
    kid = jwt.get_unverified_header(jws).get("kid")
    known = {key["kid"]: key for key in keys["keys"]}
    if kid not in known:
        raise jwt.InvalidTokenError(f"no key {kid} among the receipt keys")
    return dict(jwt.decode(jws, jwt.PyJWK(known[kid]).key, algorithms=["EdDSA"]))


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later, and may have been carried out already."""
    return isinstance(error, Problem) and error.code in _TRANSIENT_CODES
