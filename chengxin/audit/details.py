"""What an audit event may hold besides who, when and about whom: for each act its details, and the kind of each. Pure.

A name cannot be recognised in a text, so there is no detail for free text: each is a code, a count, a digest, a date, a
reference or a registered word. `docs/audit-acts.md` is made from this table.
"""

from collections.abc import Mapping
from typing import Final

from chengxin.audit.kinds import (
    ASSURANCE,
    COUNT,
    COUNTS,
    DATE,
    DIGEST,
    ENTRY,
    ERROR,
    FLAG,
    ITEM,
    LABEL,
    ORGANISATION,
    REFERENCE,
    REGION,
    WORD,
    WORDS,
    Kind,
    Named,
    Several,
)
from chengxin.values.acts import Act

Details = dict[str, Kind]

# What the event of any act may hold: how many there were, where an event does not name all, and of which list of details.
# Of reads of the public that one event stands for, how many (chengxin/audit/public_reads.py).
# Of an act that took two officers, by which proposal, and who proposed it: the actor approved it.
EVERYWHERE: Final[Details] = {
    "subject_refs": COUNT,
    "entries": COUNT,
    "records": COUNT,
    "listed": COUNTS,
    "proposal_id": REFERENCE,
    "proposed_by": REFERENCE,
    "counted": COUNT,
    "counted_seconds": COUNT,
}
# What the event of a refusal may hold of any act: the code of the error, and what was asked for.
REFUSED: Final[Details] = {"code": ERROR, "asked": Several(WORD)}
# What the event of an answer that nobody got may hold.
UNANSWERED: Final[Details] = {"event_id": REFERENCE}

_SERIES: Final[Details] = {"provider": ORGANISATION, "entry": ENTRY, "region": REGION}
_GRANTED: Final[Details] = {
    "roles": Several(WORD),
    "purposes": Several(Named({"purpose": WORDS, "agreement": WORDS})),
    "legal_bases": Several(WORDS),
}
_GRANTS: Final[Details] = {"client": WORD, "officer": WORD} | _GRANTED
_RULES: Final[Details] = {"name": WORD, "version": COUNT, "effective_from": DATE, "values": COUNTS}
_PROPOSAL: Final[Details] = {"act": WORD, "target": LABEL}
# What proposals ask for, of all acts that take two officers; other members of `Proposal.asked` are not put on record.
_ASKED: Final[Details] = (
    _GRANTED
    | {
        "org": ORGANISATION,
        "keys": Several(WORD),
        "thumbprint": WORD,
        "overlap_hours": COUNT,
        "subject_ref": REFERENCE,
        "uscc": ORGANISATION,
        "capacity": WORD,
        "until": DATE,
        "signature_required": FLAG,
        "instead_of": DATE,
        "based_on_version": COUNT,
        "claimed_objection_no": REFERENCE,
        "entry_version": COUNT,
        "schemes": Several(WORD),
        "undoes": Several(WORD),
    }
    | _RULES
)
_CASE: Final[Details] = {"objection_no": REFERENCE, "state": WORD, "repeated": FLAG, "objections": Several(REFERENCE)}
_DRAFT: Final[Details] = {"draft_id": REFERENCE, "revision": COUNT, "content_sha256": DIGEST}
_LIST_DRAFT: Final[Details] = {"draft_id": REFERENCE, "revision": COUNT, "name": WORD, "content_sha256": DIGEST}
_OFFICER: Final[Details] = {"officer": WORD}
_CLIENT: Final[Details] = {"client_id": WORD}
_KEY: Final[Details] = {"client_id": WORD, "kid": WORD}
_SUBMISSION: Final[Details] = {"submission_id": WORD}
_AMENDED: Final[Details] = {
    "version": COUNT,
    "late_working_days": COUNT,
    "became": WORD,
    "signed": FLAG,
    "claimed_objection_no": REFERENCE,
}
_FINDING: Final[Details] = {"finding": REFERENCE, "provider": ORGANISATION}
_CONSENT: Final[Details] = {"consent_id": REFERENCE, "grantee": ORGANISATION}
_LINK: Final[Details] = {"link": LABEL, "state": WORD}
_FOLLOWED: Final[Details] = {"after": COUNT}
# Rows of the log's own store, each by its collection, key and what is wrong with it.
_ROWS: Final[Details] = {"rows": COUNT, "places": Several(WORDS)}

DETAILS: Final[Mapping[Act, Details]] = {
    # Catalog
    Act.ENTRY_PUBLISHED: {
        **_DRAFT,
        "version": COUNT,
        "effective_from": DATE,
        "effective_to": DATE,
        "compatibility": WORD,
        "closes": Named({"version": COUNT, "effective_to": DATE}),
    },
    Act.ENTRY_RETIRED: {"version": COUNT, "effective_to": DATE, "basis_sha256": DIGEST},
    Act.DRAFT_CREATED: _DRAFT,
    Act.DRAFT_EDITED: _DRAFT,
    Act.DRAFT_COMMENTED: {
        "draft_id": REFERENCE,
        "comment_id": REFERENCE,
        "revision": COUNT,
        "stance": WORD,
        "text_sha256": DIGEST,
    },
    Act.DRAFT_SUBMITTED: _DRAFT,
    Act.DRAFT_REVIEWED: {**_DRAFT, "decision": WORD},
    Act.CODE_LIST_DRAFTED: _LIST_DRAFT,
    Act.CODE_LIST_DRAFT_EDITED: _LIST_DRAFT,
    Act.CODE_LIST_PUBLISHED: {**_LIST_DRAFT, "version": COUNT, "effective_from": DATE},
    Act.ORGANISATION_RECORDED: {
        "uscc": ORGANISATION,
        "region": REGION,
        "functions": Several(WORD),
        "active": FLAG,
        "content_sha256": DIGEST,
    },
    Act.RULES_PUBLISHED: _RULES,
    Act.CALENDAR_LOADED: {"year": COUNT, "announced": FLAG, "days_off": Several(DATE), "days_worked": Several(DATE)},
    # Ingest
    Act.SUBMISSION_OPENED: _SUBMISSION,
    Act.SUBMISSION_DELIVERED: {**_SUBMISSION, "batch": COUNT, "counts": COUNTS, "digest": DIGEST},
    Act.SUBMISSION_CLOSED: {**_SUBMISSION, "counts": COUNTS, "content_sha256": DIGEST},
    Act.SUBMISSION_LISTED: {"provider": ORGANISATION},
    Act.SUBMISSION_READ: _SUBMISSION,
    Act.RECEIPT_READ: _SUBMISSION,
    Act.REJECTS_READ: _SUBMISSION,
    Act.RECORDS_FOLLOWED: _FOLLOWED,
    Act.CORRECTIONS_FOLLOWED: _FOLLOWED,
    Act.RECORD_AMENDED: _AMENDED,
    Act.RECORD_REVOKED: _AMENDED,
    Act.RECORD_QUERIED_DELIVERED: {"versions": COUNT},
    Act.AGREEMENT_READ: {"provider": ORGANISATION},
    Act.AGREEMENT_CHANGED: {"provider": ORGANISATION, "signature_required": FLAG},
    Act.MAPPING_CHANGED: {"columns": COUNT, "digest": DIGEST},
    Act.QUALITY_LISTED: {**_SERIES, "from": DATE, "until": DATE},
    Act.QUALITY_RECOMPUTED: {"on": DATE, "series": COUNT, "raised": COUNT},
    Act.OVERDUE_LISTED: _SERIES,
    Act.PERIOD_DECLARED: {"from": DATE, "through": DATE, "periods": COUNT},
    Act.FINDING_RAISED: _FINDING,
    Act.FINDING_LISTED: {**_SERIES, "state": WORD, "kind": WORD},
    Act.FINDING_READ: _FINDING,
    Act.FINDING_EXPLAINED: _FINDING,
    Act.FINDING_CLOSED: _FINDING,
    # Disclosure
    Act.SUBJECT_SEARCHED_PUBLIC: {"by": WORD, "found": COUNT},
    Act.FEED_READ_PUBLIC: {"position": COUNT, "provider": ORGANISATION, "changes": COUNT, "public": COUNT},
    Act.FEED_COMPARED: {
        "told": COUNT,
        "public": COUNT,
        "missing": COUNT,
        "outdated": COUNT,
        "take_down": COUNT,
    },
    Act.CONSENT_GIVEN: _CONSENT,
    Act.CONSENT_CODE_RENEWED: _CONSENT,
    Act.CONSENT_RESOLVED: _CONSENT,
    Act.CONSENT_WITHDRAWN: _CONSENT,
    Act.CONSENT_LISTED: {"found": COUNT},
    Act.SUBJECT_CONFLICTS_LISTED: {"found": COUNT},
    Act.SUBJECT_DISAGREEMENTS_LISTED: {"found": COUNT},
    Act.SUBJECT_MERGED: _LINK,
    Act.SUBJECT_SPLIT: _LINK,
    Act.SUBJECT_DECISION_UNDONE: _LINK,
    Act.RECORD_ARCHIVED: {"on": DATE},
    # Objection
    Act.OBJECTION_FILED: {**_CASE, "items": Several(ITEM), "evidence": COUNT},
    Act.OBJECTION_SUPPLEMENTED: {**_CASE, "added": COUNT},
    Act.OBJECTION_WITHDRAWN: _CASE,
    Act.OBJECTION_ACCEPTED: _CASE,
    Act.OBJECTION_REFUSED: _CASE,
    Act.OBJECTION_VERIFIED: {**_CASE, "finding": WORD},
    Act.OBJECTION_DECIDED: {**_CASE, "outcome": WORD},
    Act.OBJECTION_READ: _CASE,
    Act.OBJECTION_LISTED: _CASE,
    Act.OBJECTION_READ_OWN: _CASE,
    Act.OBJECTION_LISTED_OWN: _CASE,
    Act.OBJECTIONS_FOLLOWED: _FOLLOWED,
    Act.SUPPLEMENT_REQUESTED: {**_CASE, "missing": COUNT},
    Act.TASK_LISTED: _CASE,
    Act.TASK_READ: _CASE,
    Act.TASK_ANSWERED: {**_CASE, "finding": WORD},
    Act.TASK_EXTENDED: _CASE,
    Act.CORRECTION_SEEN: {**_CASE, "record_version": COUNT, "revoked": FLAG, "claimed_objection_no": REFERENCE},
    Act.RECORD_CHANGE_SEEN: {**_CASE, "record_version": COUNT, "revoked": FLAG},
    Act.OBJECTION_STEP_RETRACTED: _CASE,
    Act.ANSWER_RETRACTED: _CASE,
    Act.DEADLINE_RECOUNTED: {**_CASE, "year": COUNT, "step": WORD, "from": DATE, "to": DATE, "provisional": FLAG},
    Act.COURSE_READ: _CASE,
    Act.COURSE_LISTED: _CASE,
    Act.EVIDENCE_READ: {**_CASE, "evidence": COUNT, "sha256": DIGEST},
    Act.EVIDENCE_READ_OWN: {**_CASE, "evidence": COUNT, "sha256": DIGEST},
    # Audit
    Act.EVENTS_LISTED: {"conditions": Several(WORD), "events": COUNT},
    Act.ENTRIES_READ: {"first": COUNT, "events": COUNT},
    Act.ACCESSES_LISTED: {"events": COUNT},
    Act.LOG_REPAIR_ASKED: _ROWS,
    Act.LOG_ALTERATION_FOUND: _ROWS,
    Act.LOG_ROWS_MENDED: _ROWS,
    # Gateway
    Act.EDGE_REFUSED: {"edge": WORD},
    Act.TOKEN_ISSUED: {"client_id": WORD, "jti": REFERENCE, "client_key": WORD},
    Act.TOKEN_REVOKED: {"client_id": WORD, "jti": REFERENCE},
    Act.OFFICER_SIGNED_IN: {"officer": WORD, "jti": REFERENCE},
    Act.OFFICER_SIGNED_OUT: {"officer": WORD, "sessions": COUNT},
    Act.OFFICER_REGISTERED: {"officer": WORD, "roles": Several(WORD)},
    Act.OFFICER_READ: _OFFICER,
    Act.OFFICER_RESET: _OFFICER,
    Act.OFFICER_SUSPENDED: _OFFICER,
    Act.OFFICER_RESUMED: _OFFICER,
    Act.OFFICER_UNLOCKED: _OFFICER,
    Act.CITIZEN_IDENTIFIED: {"acr": ASSURANCE, "jti": REFERENCE},
    Act.CITIZEN_REGISTERED: {"subject_ref": REFERENCE},
    Act.CLIENT_REGISTERED: {**_CLIENT, "roles": Several(WORD)},
    Act.CLIENT_READ: _CLIENT,
    Act.CLIENT_KEY_ADDED: _KEY,
    Act.CLIENT_KEY_RETIRED: _KEY,
    Act.CLIENT_SUSPENDED: _CLIENT,
    Act.CLIENT_RESUMED: _CLIENT,
    Act.GRANT_APPROVED: _GRANTS,
    Act.GRANT_REDUCED: _GRANTS,
    Act.COUNTER_CODE_ISSUED: {"document": WORD, "counter": WORD},
    Act.REPRESENTATION_RECORDED: {"representation_id": REFERENCE, "capacity": WORD, "until": DATE},
    Act.REPRESENTATION_ENDED: {"representation_id": REFERENCE},
    Act.SIGNING_KEY_CREATED: {"kid": WORD, "signs_from": DATE},
    Act.SIGNING_KEY_REVOKED: {"kid": WORD},
    Act.SIGNING_KEY_DROPPED: {"kid": WORD},
    # Every service
    Act.PROPOSAL_MADE: _PROPOSAL | {"asked": Named(_ASKED)},
    Act.PROPOSAL_APPROVED: _PROPOSAL,
    Act.PROPOSAL_REJECTED: _PROPOSAL,
    Act.QUARANTINE_LISTED: _FOLLOWED,
    Act.QUARANTINE_RETRIED: {"quarantine": REFERENCE, "feed": WORD, "name": LABEL},
}
