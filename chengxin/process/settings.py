"""Settings from the environment (`CHENGXIN_*`); secrets are files, never values."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chengxin.auth.tls import Trust


class Settings(BaseSettings):
    """The settings of every process of the suite. A service reads the fields that it needs in its `__main__.py`."""

    model_config = SettingsConfigDict(env_prefix="CHENGXIN_", hide_input_in_errors=True)

    # MongoDB URI of this process's own store, with credentials and database name.
    mongo_uri: SecretStr
    # A file with the password of the account that mongo_uri names, where secrets are mounted files.
    mongo_password_file: Path | None = None
    # host:port on which each face listens.
    http_listen: str
    grpc_listen: str
    # The issuer and audience of access tokens, and host:port at which the gateway is reached from inside.
    issuer: str = "http://127.0.0.1:8080"
    audience: str = "chengxin"
    gateway_http: str = "127.0.0.1:8080"
    # TLS at the gateway's edges (PEM): its certificate and key; and the CA of clients' certificates. With that CA the
    # gRPC edge demands a client's certificate, and the HTTP edge asks for one. Without a certificate of their own the
    # edges speak without TLS, behind something that speaks TLS.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    # The HTTP edge demands clients' certificates, too. This is for a gateway that serves machines alone, because
    # browsers have none.
    tls_http_mutual: bool = False
    # For processes that reach the gateway from inside: the CA that its certificate is from (without one the gateway
    # speaks without TLS), and the certificate and key that they show to the gateway.
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    # host:port at which the services are reached from inside.
    catalog_http: str = ""
    catalog_grpc: str = ""
    ingest_http: str = ""
    ingest_grpc: str = ""
    disclosure_http: str = ""
    disclosure_grpc: str = ""
    objection_http: str = ""
    objection_grpc: str = ""
    audit_http: str = ""
    audit_grpc: str = ""
    # Secrets: this process's Ed25519 private key (PEM), the field key ring (JSON), the subject key (raw bytes).
    key_file: Path
    field_keys_file: Path | None = None
    subject_key_file: Path | None = None
    # The identity provider at which citizens prove who they are (OpenID Connect), how it knows this system, and the
    # claim in which it asserts the identity number.
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None
    oidc_scope: str = "openid profile"
    oidc_number_claim: str = "identity_number"
    # Networks of the proxies in front of the gateway, separated by commas (`10.0.0.0/8,2001:db8::7`). What they say of
    # their callers in `Forwarded` or `X-Forwarded-For` is believed; without them, the caller is who connects.
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    # The seconds that a caller has for the first 32 KiB of a body at the gateway; each further 32 KiB give one more.
    body_seconds: float = Field(10, gt=0)
    # The seconds that a caller of the gateway's gRPC edge has for the next message of a stream, and to take an answer.
    call_seconds: float = Field(60, gt=0)
    # Bytes of disk for the bodies of requests that are under way.
    upload_bytes: int = Field(1024**3, ge=1024**2)
    # Requests a second that the gateway takes from one client, from one address without a token, and from one address
    # that proves who it is (tokens, sign-ins). It takes twice as many at once. 0 means no limit.
    client_rate: float = 10_000
    address_rate: float = 10_000
    proof_rate: float = 500
    # How many seconds a feed or the relay of audit events may be behind before `/readyz` and `chengxin status` say
    # so.
    lag_limit_seconds: float = Field(60, gt=0)
    # Where disclosure keeps the index of the public search. When this is unset, it is a temporary directory that lasts
    # as long as the process.
    search_dir: Path | None = None
    # How many shares disclosure cuts the subjects into when it takes records in, so that as many of its processes can
    # share the work. All of them need the same number.
    intake_shares: int = Field(1, ge=1, le=64)
    # host:port at which the gateway gives its metrics to Prometheus, inside: everybody reaches the HTTP edge. Empty:
    # nowhere.
    metrics_listen: str = ""
    # The demonstration world, which verifies identities without proof. Never set this in production.
    demo: bool = False

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("CHENGXIN_TLS_CERT_FILE and CHENGXIN_TLS_KEY_FILE are set together")
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("CHENGXIN_CLIENT_CERT_FILE and CHENGXIN_CLIENT_KEY_FILE are set together")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("CHENGXIN_TLS_CLIENT_CA_FILE also takes CHENGXIN_TLS_CERT_FILE and CHENGXIN_TLS_KEY_FILE")
        if self.tls_http_mutual and self.tls_client_ca_file is None:
            raise ValueError("CHENGXIN_TLS_HTTP_MUTUAL also takes CHENGXIN_TLS_CLIENT_CA_FILE")
        return self

    @model_validator(mode="after")
    def _insert_password(self) -> Self:
        if self.mongo_password_file is not None:
            scheme, _, rest = self.mongo_uri.get_secret_value().partition("://")
            account, at, location = rest.partition("@")
            if not at or ":" in account:
                raise ValueError("with CHENGXIN_MONGO_PASSWORD_FILE, CHENGXIN_MONGO_URI is mongodb://<account>@<host>…")
            password = quote(self.mongo_password_file.read_text().strip(), safe="")
            self.mongo_uri = SecretStr(f"{scheme}://{account}:{password}@{location}")
        return self

    @property
    def trust(self) -> Trust | None:
        """How to verify the gateway; None when it speaks without TLS."""
        return Trust(self.ca_file, self.client_cert_file, self.client_key_file) if self.ca_file else None

    @property
    def gateway_url(self) -> str:
        """The URL at which the gateway's HTTP edge is reached from inside."""
        return f"{'https' if self.ca_file else 'http'}://{self.gateway_http}"

    def peer(self, service: str) -> str:
        """host:port of a service's gRPC face."""
        return str(getattr(self, f"{service}_grpc"))
