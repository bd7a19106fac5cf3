"""Which kind of subject an identifier names (Art. 13). Pure."""

from collections.abc import Collection
from typing import Final

INDIVIDUAL: Final = "individual"

# GB 32100, first character: the authority that registered the organisation. The others (foreign affairs, justice,
# culture, unions …) register organisations of more than one kind.
_KIND_BY_REGISTRAR: Final = {"1": "public_institution", "5": "social_organization", "9": "enterprise"}


def subject_kind(scheme: str, identifier: str, allowed_kinds: Collection[str]) -> str:
    """The kind of a subject known as `identifier` under `scheme`, among those that a catalog entry allows.

    A person has an identity number. An organisation's kind is told by the registrar in its unified social credit code;
    where the code does not tell, or tells a kind that the entry does not have, it is the entry's first organisation
    kind. An entry without any gets the kind that the code tells.
    """
    if scheme == "identity_number":
        return INDIVIDUAL
    told = _KIND_BY_REGISTRAR.get(identifier[:1], "") if scheme == "uscc" else ""
    if told and told in allowed_kinds:
        return told
    organisations = [kind for kind in allowed_kinds if kind != INDIVIDUAL]
    return organisations[0] if organisations else told or INDIVIDUAL
