"""The kind of a subject follows from its identifier (Art. 13)."""

import pytest

from chengxin.values.subject_kinds import subject_kind

ORGANISATIONS = ["enterprise", "public_institution", "social_organization"]


@pytest.mark.parametrize(
    ("scheme", "identifier", "allowed", "kind"),
    [
        ("identity_number", "441702188803020023", [*ORGANISATIONS, "individual"], "individual"),
        ("uscc", "91000000MA0000218U", [*ORGANISATIONS, "individual"], "enterprise"),
        ("uscc", "12000000000000182W", ORGANISATIONS, "public_institution"),
        ("uscc", "11000000000000027K", ORGANISATIONS, "public_institution"),
        ("uscc", "51000000000000010X", ORGANISATIONS, "social_organization"),
        # Registered by the justice authority: the code does not say which kind.
        ("uscc", "31000000000000010X", ORGANISATIONS, "enterprise"),
        ("uscc", "31000000000000010X", ["individual", "social_organization"], "social_organization"),
        # The entry has no such kind.
        ("uscc", "91000000MA0000218U", ["public_institution"], "public_institution"),
        ("organisation_code", "000000010", ["social_organization", "enterprise"], "social_organization"),
        ("uscc", "91000000MA0000218U", ["individual"], "enterprise"),
    ],
)
def test_the_registrar_tells_the_kind(scheme: str, identifier: str, allowed: list[str], kind: str) -> None:
    assert subject_kind(scheme, identifier, allowed) == kind
