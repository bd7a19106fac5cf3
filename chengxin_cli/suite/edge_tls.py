"""TLS at the edges of an embedded suite, as the environment sets it.

The suite's services and the commands read the same variables.
"""

import os
from pathlib import Path
from typing import Final

import click

from chengxin.auth.tls import Trust

# What every client of the gateway needs (`Trust.of_environment`).
TRUST_VARIABLES: Final = ("CHENGXIN_CA_FILE", "CHENGXIN_CLIENT_CERT_FILE", "CHENGXIN_CLIENT_KEY_FILE")
_FILE_VARIABLES: Final = (
    "CHENGXIN_TLS_CERT_FILE",
    "CHENGXIN_TLS_KEY_FILE",
    "CHENGXIN_TLS_CLIENT_CA_FILE",
    *TRUST_VARIABLES,
)


def trust_of_edges() -> Trust | None:
    """How the suite's own processes reach its gateway over TLS; None when it speaks without TLS.

    Raises `ClickException` when one of them could not reach it.
    """
    for name in _FILE_VARIABLES:
        if (value := os.environ.get(name)) and not Path(value).is_file():
            raise click.ClickException(f"{name}: there is no file {value}")
    certificate, key, client_ca, ca, client_certificate, _ = (bool(os.environ.get(name)) for name in _FILE_VARIABLES)
    if certificate != key:
        raise click.ClickException("CHENGXIN_TLS_CERT_FILE and CHENGXIN_TLS_KEY_FILE are set together")
    if certificate != ca:
        raise click.ClickException(
            "CHENGXIN_TLS_CERT_FILE and CHENGXIN_CA_FILE, the CA that it is from, are set together: the suite's own "
            "processes come to the gateway as all other clients do"
        )
    if client_ca and not client_certificate:
        raise click.ClickException(
            "with CHENGXIN_TLS_CLIENT_CA_FILE the suite's own processes show a certificate of that CA: "
            "CHENGXIN_CLIENT_CERT_FILE and CHENGXIN_CLIENT_KEY_FILE"
        )
    return Trust.of_environment()
