"""Inspects the log's store again and again, in the background and a little at a time, and tells what it finds."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from chengxin.errors import Problem
from services.audit.domain.alterations import Alteration, RowFault
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.log.condition import LogCondition
from services.audit.log.inspection import Inspection, InspectionExtent
from services.audit.log.inspection_report import InspectionReport, Pieces
from services.audit.store.log import AuditStore

log = structlog.get_logger()

# How long it works before it lets the integrator go on: searches wait for the integrator. Longer when something is
# altered, so that it is known soon when that is over.
_STEP_SECONDS: Final = 0.05
_ALTERED_STEP_SECONDS: Final = 0.25
_TELL_AGAIN_SECONDS: Final = 5.0

# Puts on record what was found and what was made again. Raises `Problem` when it cannot.
TellAlterations = Callable[[Sequence[Alteration], Sequence[Alteration]], None]


class Inspector:
    """Goes on where its last step ended; after the last row it begins again.

    The first inspection, and one that is to mend, takes step after step; the others pause after each. What is missing
    and derived is made again by the inspection after the one that found it missing and all originals whole. What
    differs was written by somebody: it is made again when an officer asks for that.
    """

    def __init__(
        self,
        store: AuditStore,
        signer: CheckpointSigner,
        condition: LogCondition,
        tell: TellAlterations,
        pause: float,
    ) -> None:
        """`pause` is in seconds."""
        self._store = store
        self._signer = signer
        self._condition = condition
        self._tell = tell
        self._pause = pause
        self._next_at = 0.0
        self._begin_at_once = False
        self._report = InspectionReport(store, condition.add, self._may_mend)
        self._extent = InspectionExtent(0, 0, 0, None)
        self._inspection: Inspection | None = None
        self._pieces: Pieces[None] | None = None
        # What was told already of the alterations that are there now, and what was mended and not told yet.
        self._told: set[Alteration] = set()
        self._mended: list[Alteration] = []
        self._tell_at = 0.0
        self._logged: set[Alteration] = set()

    @property
    def hurries(self) -> bool:
        """Whether the next step should follow at once."""
        return not self._condition.inspected or self._begin_at_once or self._condition.repair_due

    def step(self, extent: InspectionExtent) -> bool:
        """Inspects for some milliseconds. `extent` is what should be there now. Returns whether rows were removed that are
        loaded in memory.

        Raises `PyMongoError` when the store does not answer; the next step goes on from there.
        """
        if not self.hurries and time.monotonic() < self._next_at:
            return False
        self._extent = extent
        until = time.monotonic() + (_STEP_SECONDS if self._condition.sound else _ALTERED_STEP_SECONDS)
        try:
            while time.monotonic() < until:
                if self._advance():
                    return self._complete()
        finally:
            self._next_at = time.monotonic() + self._pause
            self._tell_news()
        return False

    def _advance(self) -> bool:
        """Does the next piece; returns whether it was the last."""
        if self._pieces is None:
            self._begin_at_once = False
            self._report = InspectionReport(self._store, self._condition.add, self._may_mend)
            self._inspection = Inspection(self._signer, self._report, lambda: self._extent)
            self._pieces = self._inspection.pieces()
        try:
            error = next(self._pieces)
        except StopIteration:
            return True
        # Whatever the error is, this inspection cannot go on; the next one begins anew.
        except Exception:
            self._pieces = None
            raise
        if self._inspection:
            _POSITION.set(self._inspection.entries)
        if error is not None:
            raise error
        return False

    def _complete(self) -> bool:
        report, self._pieces = self._report, None
        # What was mended counts as altered until it has been inspected again.
        self._condition.complete([*report.found, *report.mended])
        _ENDED.set_to_current_time()
        self._mended += report.mended
        for alteration in report.mended:
            log.warning("made again from the groups of the log", altered=str(alteration))
        _MENDED.inc(len(report.mended))
        self._told.intersection_update(self._condition.alterations)
        # What can be mended now is mended by the next one, and what was mended is looked at again.
        self._begin_at_once = bool(report.mended) or any(map(self._may_mend, report.found))
        return report.memory_is_stale

    def _may_mend(self, alteration: Alteration) -> bool:
        wanted = alteration.fault is RowFault.MISSING or self._condition.repair_due
        return alteration.derived and wanted and self._condition.originals_sound

    def _tell_news(self) -> None:
        alterations = self._condition.alterations
        for alteration in alterations:
            if alteration not in self._logged:
                log.error("the stored log is not what was appended and signed", altered=str(alteration))
        self._logged = set(alterations)
        news = [a for a in alterations if a not in self._told]
        if not (news or self._mended) or time.monotonic() < self._tell_at:
            return
        try:
            self._tell(news, self._mended)
        except Problem as e:
            # The log itself takes no events.
            log.warning("what was found in the log is not on record yet", reason=e.code)
            self._tell_at = time.monotonic() + _TELL_AGAIN_SECONDS
            return
        self._told.update(news)
        self._mended = []


_POSITION = Gauge("chengxin_audit_inspected_entries", "Entries that the inspection under way has hashed again")
_ENDED = Gauge("chengxin_audit_inspection_ended_seconds", "When the whole store was last inspected, since 1970")
_MENDED = Counter("chengxin_audit_rows_mended_total", "Derived rows of the log's store that were made again")
