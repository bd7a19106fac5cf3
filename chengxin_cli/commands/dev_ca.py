"""A CA for development, which only the developer trusts, and its certificates for the edges and for clients."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chengxin_cli.suite.home import write_private

_DAYS: Final = 90


def make_ca(directory: Path) -> None:
    """Writes `ca.pem` and `ca.key.pem` (P-256), unless they exist."""
    if (directory / "ca.pem").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = _make_name("Chengxin development CA")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = (
        _start_certificate(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    _write(directory, "ca", key, builder.sign(key, hashes.SHA256()))


def certify(directory: Path, file: str, common_name: str, servers: tuple[str, ...] = ()) -> Path:
    """Writes `<file>.pem` and `<file>.key.pem`, in place of existing ones; returns the path of the certificate.

    It is the certificate of a server with the host names or addresses `servers`, or of a client when there are none.
    Raises ValueError when the CA's key is no P-256 key.
    """
    ca = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((directory / "ca.key.pem").read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ValueError("ca.key.pem is not a P-256 key")
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if servers else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _start_certificate(_make_name(common_name), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if servers:
        names = x509.SubjectAlternativeName([_make_alternative_name(server) for server in servers])
        builder = builder.add_extension(names, critical=False)
    return _write(directory, file, key, builder.sign(ca_key, hashes.SHA256()))


def _start_certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _make_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _make_alternative_name(server: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(server))
    except ValueError:
        return x509.DNSName(server)


def _write(directory: Path, file: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Path:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(directory / f"{file}.key.pem", pem)
    certificate_file = directory / f"{file}.pem"
    write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    certificate_file.chmod(0o644)
    return certificate_file
