"""The things, owners and other callers with which the authorization table is tested."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chengxin.auth.principal import Role
from chengxin.store.documents import collection_name
from chengxin.store.field_encryption import KeyRing
from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.clock import SystemClock
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin.values.permitted_period import latest_end
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from chengxin_cli.gateway_client import Caller
from chengxin_cli.suite.home import Home
from demo.world import catalog, organs
from services.ingest.domain.anomaly_finding import AnomalyFinding, FindingState
from services.ingest.store.documents import QualityFinding
from tests.city import LEGAL_BASIS, City
from tests.e2e.policy_expectations import _OFFICERS, takes_nothing
from tests.support import until

# The region of the demonstration world's officers, and that of a county's officer.
REGION, ELSEWHERE = "441700", "441721"
# Limited to one provider, as organs must ask and others may not.
GIVEN_UNTIL = latest_end(SystemClock().today()).isoformat()
_NARROWED = {
    f"GET /v1/submissions{path}": "?provider={provider}"
    for path in ("", "/findings", "/overdue", "/quality", "/<submission_id>", "/<submission_id>/receipt")
} | {"GET /report": "?provider={provider}"}


@dataclass(frozen=True)
class Side:
    """A caller in each role: the owners of the things, or others."""

    subject: str
    provider: str
    organisation: str
    region: str
    officer: str
    # The service for which a face is made, or another.
    service: str


class PolicyWorld:
    """A city's things, each made by its owner; and tokens like the gateway's."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._home = Home(city.home)
        own = city.li_na.get("/v1/me/records")
        lasting = [r for r in own["records"] if not r["under_objection"] and r["items"] and not r.get("archived")]
        # Its provider has to sign from now on, so it is none as which the other tests of this city deliver.
        record = next(r for r in lasting if r["provider_uscc"] != organs()["market_regulator"].uscc)
        other = city.citizen("wang_qiang").get("/v1/me/records")["subject"]["subject_ref"]
        bank, agency = organs()["bank"].uscc, organs()["credit_agency"].uscc
        self.record = record
        self.owner = Side(
            own["subject"]["subject_ref"], record["provider_uscc"], bank, REGION, "officer:own", "gateway"
        )
        self.other = Side(other, agency, agency, ELSEWHERE, "officer:other", "catalog")
        self.ids: dict[str, str] = {"number": "1", "jti": "t_none", "representation_id": "none"}
        self.ids |= {
            "provider": record["provider_uscc"],
            "record_id": record["record_id"],
            "entry": record["entry_code"],
            "subject_ref": self.owner.subject,
        }
        self.code = ""
        # By the prefix of the service, where the gateway's is not meant.
        self.proposals: dict[str, str] = {}
        self._make()

    def token(self, role: Role, side: Side, lifetime: int = 600, **changed: Any) -> str:
        """A token signed by the gateway's key, which only the test can read."""
        now = int(time.time())
        claims = {
            "iss": self._city.edge.http,
            "aud": "chengxin",
            "iat": now + min(0, lifetime),
            "exp": now + lifetime,
            "jti": new_id("t"),
            "roles": [role],
            **self._named(role, side),
            **changed,
        }
        headers = {"typ": "at+jwt", "kid": public_jwk(self._key)["kid"]}
        return jwt.encode(claims, self._key, "EdDSA", headers)

    def caller(self, role: Role, side: Side, **changed: Any) -> Caller:
        """A caller with such a token."""
        token = self.token(role, side, **changed)
        return Caller(self._city.edge, lambda: token)

    def serving(self, row: dict[str, Any], role: Role, side: Side) -> Caller:
        """A caller in a role; for services, the one for which the face is made, or another."""
        for name in ("disclosure", "objection"):
            if role is Role.SERVICE and f"the service is {name}" in row.get("conditions", ()):
                service = name if side is self.owner else "catalog"
                return self.caller(role, side, sub=service, client_id=service)
        return self.caller(role, side)

    def path(self, face: str) -> str:
        """A face's path, with the ids of this world's things."""
        path = face.partition(" ")[2]
        narrowed = _NARROWED.get(face, "").format(**self.ids)
        service, _, _ = path.partition("/proposals/")
        ids = self.ids | ({"proposal_id": self.proposals[service]} if service in self.proposals else {})
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda m: ids.get(m[1], "1"), path) + narrowed

    def body(self, face: str) -> dict[str, Any]:
        """Valid input of a face, so that only the rule can refuse it (`json`, or `fields` of a form)."""
        grantee = {"client_id": new_id("c").lower(), "name": "x", "org": organs()["bank"].uscc, "region": REGION}
        jwk = public_jwk(Ed25519PrivateKey.generate())
        bodies: dict[str, Any] = {
            "POST /v1/me/objections": {
                "record_id": self.record["record_id"],
                "items": [next(iter(self.record["items"]))],
                "statement": "不符",
                "evidence": [{"name": "x.txt", "content_type": "text/plain", "content": "eA=="}],
            },
            "POST /v1/me/objections/<objection_no>/supplement": {"statement": "补充", "evidence": []},
            "POST /v1/objections/<objection_no>/answer": {"finding": "wrong", "evidence": "x"},
            "POST /v1/objections/<objection_no>/retract": {"reason": "x"},
            "POST /v1/objections/<objection_no>/retract-answer": {"reason": "x"},
            "POST /v1/objections/<objection_no>/extension": {"reason": "案情复杂"},
            "POST /v1/objections/<objection_no>/refuse": {"reason": "x"},
            "POST /v1/objections/<objection_no>/request-supplement": {"missing": ["x"]},
            "POST /v1/objections/<objection_no>/verify": {"finding": "consistent_with_source", "note": "x"},
            "POST /v1/objections/<objection_no>/decide": {"outcome": "upheld", "explanation": "x"},
            "POST /v1/catalog/drafts/<draft_id>/comments": {"stance": "agree", "text": "x"},
            "POST /v1/identity/clients": grantee | {"responsible": "F1", "jwk": jwk},
            "POST /v1/identity/clients/<client_id>/grants": {"roles": ["public"]},
            "POST /v1/identity/clients/<client_id>/keys": {"jwk": jwk},
            "POST /v1/identity/officers": {
                "username": new_id("o").lower(),
                "name": "x",
                "org": organs()["bank"].uscc,
                "region": REGION,
            },
            "POST /v1/identity/officers/<username>/roles": {"roles": ["centre"]},
        }
        entry = self.record["entry_code"]
        # No record has this version: the rule passes, and the record stays as it is.
        change = {"reason": "x", "based_on_version": 999_999, "objection_no": self.ids.get("objection_no", "")}
        bodies["POST /v1/records/<record_id>/amendments"] = change | {"items": {"x": "x"}}
        bodies["POST /v1/records/<record_id>/revocation"] = change
        bodies["POST /v1/submissions/findings/<finding_id>/close"] = {"text": "x"}
        bodies["PUT /v1/submissions/agreements/<provider>"] = {"signature_required": False, "document": "x"}
        bodies["POST /v1/submissions/nothing-to-report"] = {"catalog": entry, "period": "2026-10"}
        if face == "POST /v1/submissions":
            return {"fields": {"catalog": entry, "file": ("x.csv", b"A\r\n1\r\n", "text/csv")}}
        return {"json": bodies[face]} if face in bodies else {}

    def knows(self, face: str) -> bool:
        """Whether this world knows all input of a face."""
        named = set(re.findall(r"<(?:\w+:)?(\w+)>", face))
        return named <= self.ids.keys() and (takes_nothing(face) or " " not in face or bool(self.body(face)))

    def message(self, method: str) -> list[Any]:
        """The request messages of a gRPC method; several are a stream."""
        number, record_id = self.ids["objection_no"], self.record["record_id"]
        header = ingest_pb2.SubmissionHeader(
            submission_id=new_id("policy").replace(".", "-"), entry_code=self.record["entry_code"]
        )
        change = {
            "record_id": record_id,
            "reason": "x",
            "document_number": "x",
            "request_id": new_id("p"),
            "objection_no": number,
        }
        messages: dict[str, list[Any]] = {
            "Query": [disclosure_pb2.QueryRequest()],
            "ResolveConsent": [disclosure_pb2.ResolveConsentRequest(code=self.code, grantee=self.owner.organisation)],
            "GetTask": [objection_pb2.GetTaskRequest(objection_no=number)],
            "AnswerTask": [
                objection_pb2.AnswerTaskRequest(
                    objection_no=number, finding=objection_pb2.FINDING_WRONG, evidence="x", request_id=new_id("p")
                )
            ],
            "RequestExtension": [objection_pb2.RequestExtensionRequest(objection_no=number, reason="x")],
            "RetractAnswer": [objection_pb2.RetractAnswerRequest(objection_no=number, reason="x")],
            "GetSubmission": [
                ingest_pb2.GetSubmissionRequest(
                    submission_id=self.ids["submission_id"], provider_uscc=self.record["provider_uscc"]
                )
            ],
            "GetRecord": [ingest_pb2.GetRecordRequest(record_id=record_id)],
            "ListRejects": [ingest_pb2.ListRejectsRequest(submission_id=self.ids["submission_id"])],
            "Amend": [ingest_pb2.AmendRequest(**change)],
            "Revoke": [ingest_pb2.RevokeRequest(**change)],
            "Submit": [ingest_pb2.SubmitRequest(header=header)],
            "SubmitBatch": [ingest_pb2.SubmitBatchRequest(header=header)],
        }
        return messages.get(method.rpartition("/")[2], [])

    def filed(self) -> str:
        """Another objection of the owner to the same record; the previous one must be closed."""
        subject = self.caller(Role.SUBJECT, self.owner)
        filed = until(lambda: subject.call("POST", "/v1/me/objections", **self.body("POST /v1/me/objections")).body)
        return str(filed["objection_no"])

    @property
    def known(self) -> dict[str, list[str | int]]:
        """What parameters of the description may name here, by the name of the parameter."""
        # Tiles of the log and attachments are both numbers, and not of one form.
        found: dict[str, list[str | int]] = {name: [value] for name, value in self.ids.items() if name != "number"}
        found["proposal_id"] += self.proposals.values()
        return found | {
            "code": found["entry"],
            "uscc": found["provider"],
            "version": [1],
            "year": [date.today().year],
        }

    def _named(self, role: Role, side: Side) -> dict[str, Any]:
        if role is Role.SUBJECT:
            return {"sub": side.subject, "client_id": "portal", "acr": "demo"}
        if role in _OFFICERS:
            return {"sub": side.officer, "client_id": "portal", "region": side.region, "acr": "pwd+totp"}
        if role is Role.SERVICE:
            return {"sub": side.service, "client_id": side.service}
        org = side.provider if role is Role.PROVIDER else side.organisation
        named = {"sub": "policy", "client_id": "policy", "org": org, "region": REGION}
        bound = {
            Role.AGENCY: {"purpose": "qualification_review"},
            Role.STATUTORY: {"legal_basis": LEGAL_BASIS, "case_no": "1", "officer": "F1"},
            Role.SUBJECT_AUTHORIZED: {"consent_id": self.ids.get("consent_id", ""), "purpose": "loan_application"},
        }
        return named | bound.get(role, {})

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        row = self._city.store("gateway")["signing_keys"].find_one()
        pem = KeyRing.load(self._home.field_keys).decrypt(row["private_key"], "signing_key").encode()
        key = load_pem_private_key(pem, None)
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def _make(self) -> None:
        subject, provider = self.caller(Role.SUBJECT, self.owner), self.caller(Role.PROVIDER, self.owner)
        centre, authority = self.caller(Role.CENTRE, self.owner), self.caller(Role.AUTHORITY, self.owner)
        terms = {"grantee": self.owner.organisation, "purpose": "loan_application", "valid_to": GIVEN_UNTIL}
        given = subject.post("/v1/me/consents", terms)
        self.code, self.ids["consent_id"] = given["code"], given["consent_id"]
        self.ids["objection_no"] = number = self.filed()
        centre.post(f"/v1/objections/{number}/accept", {})
        centre.post(f"/v1/objections/{number}/verify", {"finding": "consistent_with_source", "note": "x"})
        self.ids["submission_id"] = provider.get("/v1/submissions")["submissions"][0]["submission_id"]
        entry = catalog()[self.record["entry_code"]]
        self.ids["draft_id"] = authority.post("/v1/catalog/drafts", entry)["draft_id"]
        self.ids["client_id"] = new_id("policy").lower()
        body = self.body("POST /v1/identity/clients")["json"] | {"client_id": self.ids["client_id"]}
        authority.post("/v1/identity/clients", body)
        self.ids["username"] = new_id("policy").lower()
        body = self.body("POST /v1/identity/officers")["json"] | {"username": self.ids["username"]}
        authority.post("/v1/identity/officers", body)
        maker = self.caller(Role.AUTHORITY, self.owner, sub="officer:maker")
        grants = maker.post(f"/v1/identity/clients/{self.ids['client_id']}/grants", {"roles": ["public"]})
        self.ids["proposal_id"] = grants["proposal_id"]
        self._propose(centre, authority)
        self._find()

    def _propose(self, centre: Caller, authority: Caller) -> None:
        """One officer proposes in each service. It is the owner's, who cannot approve it, so it stays as it is."""
        address = f"/v1/submissions/agreements/{self.record['provider_uscc']}"
        for required in (True, False):
            agreed = centre.call("PUT", address, json={"signature_required": required, "document": "协议〔2026〕1号"})
        companies = [s for s in self._city.anybody.get("/v1/public/subjects?q=工程")["subjects"] if s["uscc"]]
        both = {"subjects": [{"subject_ref": s["subject_ref"]} for s in companies[:2]], "reason": "x"}
        # Rules are the city's, in which another world may have been made already.
        earlier = authority.get("/v1/catalog/proposals")["proposals"]
        waiting = [proposal for proposal in earlier if proposal["state"] == "open"]
        ruled = waiting[0] if waiting else self._loosen_review(authority, date.today().year + 1 + len(earlier))
        self.proposals = {
            "/v1/submissions": agreed.body["proposal_id"],
            "/v1/subjects": centre.post("/v1/subjects/links", both)["proposal_id"],
            "/v1/catalog": ruled["proposal_id"],
        }

    @staticmethod
    def _loosen_review(authority: Caller, year: int) -> dict[str, Any]:
        for required in (1, 0):
            rules = {"name": "catalog", "effective_from": f"{year}-0{2 - required}-15"}
            ruled = authority.post("/v1/catalog/rules", rules | {"values": {"review_required": required}})
        return ruled

    def _find(self) -> None:
        """A finding about the owner's provider, as the search for anomalies keeps it."""
        now = datetime.now(UTC)
        found = AnomalyFinding(
            finding_id=new_id("fnd"),
            kind="volume_drop",
            provider=self.record["provider_uscc"],
            provider_name="",
            entry_code=self.record["entry_code"],
            entry_name=TranslatedText("x"),
            period="2026-10",
            first_day="2026-10-01",
            last_day="2026-10-31",
            figures={},
            state=FindingState.OPEN,
            first_seen=now,
            last_seen=now,
        )
        self._city.store("ingest")[collection_name(QualityFinding)].insert_one(found.to_row())
        self.ids["finding_id"] = found.finding_id
