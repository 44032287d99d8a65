"""A certificate authority of one site's own, for the broker's encrypted listener: devices trust its certificate."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.clock import now_ms

# Devices are rarely visited, and trust what they were given: the authority outlives several broker certificates.
AUTHORITY_DAYS: Final = 20 * 365
BROKER_DAYS: Final = 5 * 365


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: the key that signs, and the certificate that devices are given."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Self:
        """A new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Fairmeter site authority")
        certificate = (
            _certificate(name, name, key.public_key(), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def read(cls, key: bytes, certificate: bytes) -> Self:
        """The authority in two PEM files; ValueError where the key is of another kind than `new` makes."""
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(  # noqa: TRY004 - what is wrong is the file's content
                "ca.key is not a key that `make secrets` made; move ca.key and ca.crt away"
            )
        return cls(private, x509.load_pem_x509_certificate(certificate))

    def certify(self, names: Sequence[str]) -> tuple[str, str]:
        """A key and a certificate, as PEM, for a server that is reached by these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys(names)])
        certificate = (
            _certificate(_name(names[0]), self.certificate.subject, key.public_key(), BROKER_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(alternatives, critical=False)
            .add_extension(issuer, critical=False)  # without it Python 3.13 refuses the certificate
            .sign(self.key, hashes.SHA256())
        )
        return _key_text(key), certificate.public_bytes(serialization.Encoding.PEM).decode()

    def text(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_text(self) -> str:
        """The key as PEM; whoever has it can pose as the broker."""
        return _key_text(self.key)


def holds_for(certificate: bytes) -> set[str]:
    """The names and addresses that a certificate, as PEM, is good for."""
    found = x509.load_pem_x509_certificate(certificate).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    # A device whose clock is behind by a day accepts it too.
    start = datetime.fromtimestamp(now_ms() / 1000, UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )
