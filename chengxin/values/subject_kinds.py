"""Which kind of subject an identifier names (Art. 13). Pure."""

from collections.abc import Collection
from typing import Final

from chengxin.values.identifiers import PERSONAL

INDIVIDUAL: Final = "individual"

# GB 32100, first character: the authority that registered the organisation. The others (foreign affairs, justice,
# culture, unions …) register organisations of more than one kind.
_KIND_BY_REGISTRAR: Final = {"1": "public_institution", "5": "social_organization", "9": "enterprise"}


def subject_kind(scheme: str, identifier: str, allowed_kinds: Collection[str]) -> str:
    """The kind of a subject known as `identifier` under `scheme`, among those that a catalog entry allows.

    A person has an identity number, or the number of a permit or passport. An organisation's kind follows from the
    registrar in its unified social credit code. When the code does not show a kind, or shows one that the entry does not
    allow, it is the entry's first organisation kind. When the entry allows no organisation kind, it is the kind that the code shows, or else `individual`.
    """
    if scheme in PERSONAL:
        return INDIVIDUAL
    registered_kind = _KIND_BY_REGISTRAR.get(identifier[:1], "") if scheme == "uscc" else ""
    if registered_kind and registered_kind in allowed_kinds:
        return registered_kind
    organisations = [kind for kind in allowed_kinds if kind != INDIVIDUAL]
    return organisations[0] if organisations else registered_kind or INDIVIDUAL
