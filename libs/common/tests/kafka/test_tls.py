"""Which brokers are trusted, by handshakes in memory."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.kafka.tls import broker_context

HOST = "kafka.example"


class Authority:
    """An authority as operators make them: its certificates have no key identifiers."""

    def __init__(self, name, parent=None):
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), named(name)
        self.certificate = (parent or self).sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))

    def sign(self, name, key, constraints, *more):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self.name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(constraints, critical=True)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def broker(self, folder, *chain):
        """The context of a broker with a certificate of this authority, which also presents the chain."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
        own = self.sign(named("broker"), key, x509.BasicConstraints(ca=False, path_length=None), names)
        form = serialization.PrivateFormat.PKCS8
        (folder / "key.pem").write_bytes(key.private_bytes(PEM, form, serialization.NoEncryption()))
        (folder / "broker.pem").write_bytes(b"".join(one.public_bytes(PEM) for one in (own, *chain)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "broker.pem", folder / "key.pem")
        return context

    def file(self, folder):
        (folder / "ca.crt").write_bytes(self.certificate.public_bytes(PEM))
        return str(folder / "ca.crt")


PEM = serialization.Encoding.PEM


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def handshake(client, broker, host=HOST):
    """Raises what the client says of the broker's certificate."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=host),
        broker.wrap_bio(up, down, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)


def test_a_broker_of_an_authority_without_key_identifiers_is_trusted(tmp_path):
    authority = Authority("an operator's")
    handshake(broker_context(authority.file(tmp_path)), authority.broker(tmp_path))


def test_an_intermediate_authority_is_trusted_without_its_root(tmp_path):
    intermediate = Authority("intermediate", Authority("root"))
    broker = intermediate.broker(tmp_path, intermediate.certificate)
    handshake(broker_context(intermediate.file(tmp_path)), broker)


@pytest.mark.parametrize(
    ("trusted", "host", "said"),
    [
        ("an operator's", HOST, "CERTIFICATE_VERIFY_FAILED"),
        (None, HOST, "CERTIFICATE_VERIFY_FAILED"),
        ("its own", "elsewhere.example", "Hostname mismatch"),
    ],
)
def test_a_broker_that_is_not_who_it_should_be_is_refused(trusted, host, said, tmp_path):
    authority = Authority("an operator's")
    broker = authority.broker(tmp_path)
    files = {"its own": authority, "an operator's": Authority("an operator's")}
    context = broker_context(files[trusted].file(tmp_path) if trusted else None)
    with pytest.raises(ssl.SSLCertVerificationError, match=said):
        handshake(context, broker, host)
