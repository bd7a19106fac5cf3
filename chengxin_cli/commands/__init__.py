"""The commands of `chengxin` in the order in which its help lists them. Each is a module here with a click object
`command`, which is loaded when it is called."""

from typing import Final

COMMANDS: Final = {
    "up": "Run the whole suite on embedded stores.",
    "status": "Each process, its health, the last checkpoint.",
    "quarantine": "What could not be applied: why, and another attempt.",
    "tour": "Walk the main job against a running suite, as outside clients would.",
    "submit": "Deliver a file of records.",
    "record": "Amend or revoke a record, signed.",
    "receipt": "Verify the receipt of a delivery or of a change, offline.",
    "audit": "Verify or export the audit log.",
    "witness": "Cosign the audit log as an independent witness.",
    "policy": "The authorization table.",
    "client": "Agencies' and providers' systems: registration, keys, grants, suspension.",
    "disclosure": "Make anew what is derived from the feeds.",
    "subject": "Subjects of whom providers tell facts differently.",
    "officer": "Officers: sign in, accounts, grants.",
    "keys": "Signing keys of the gateway; key files.",
}
