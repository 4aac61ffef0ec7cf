"""Apache Kafka with listeners that want TLS: one with a password, one with a client certificate."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from pipeline.config import Kafka
from pipeline.workers.local_kafka import BrokerUnavailableError, LocalKafka, free_ports
from tests.support.certificates import Authority, Certificate
from tests.support.kafka import CACHE, lacks

USER, PASSWORD = "leakline", "correct-horse-battery"
_PROPERTIES = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},\
SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},\
SECURE://localhost:{secure},MUTUAL://localhost:{mutual}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
"""
_SETTLE_SECONDS = 0.5
"""A broker takes a moment to obey its own controller."""


@dataclass(frozen=True)
class SecuredKafka:
    """A running broker, and what a client needs to be let in."""

    secure: str
    mutual: str
    """Addresses."""
    bootstrap: str
    """Without a password, and with every right."""
    authority: Path
    client: Certificate

    def forbid(self, kind: ResourceType, name: str, operation: ACLOperation) -> None:
        """Take one right from the user with a password; it has all others."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        what = ResourcePattern(kind, name)
        rules = (
            (ACLOperation.ALL, ACLPermissionType.ALLOW),
            (operation, ACLPermissionType.DENY),
        )
        try:
            admin.create_acls([ACL(f"User:{USER}", "*", *rule, what) for rule in rules])
        finally:
            admin.close()
        time.sleep(_SETTLE_SECONDS)

    def settings(self, mechanism: str | None, **changes: object) -> Kafka:
        """How to reach it: with a password, or (None) with a certificate."""
        given: dict[str, object] = {
            "ssl_cafile": self.authority,
            "partitions": 2,
            "checkpoint_seconds": 0.3,
            "session_timeout_seconds": 2.0,
        }
        if mechanism is None:
            given |= {
                "brokers": self.mutual,
                "security_protocol": "SSL",
                "ssl_certfile": self.client.certificate,
                "ssl_keyfile": self.client.key,
            }
        else:
            given |= {
                "brokers": self.secure,
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": mechanism,
                "sasl_username": USER,
                "sasl_password": SecretStr(PASSWORD),
            }
        return Kafka(**given | changes)  # type: ignore[arg-type]  # as a test wants it


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Start one; the test ends, saying why, where Apache Kafka cannot be had."""
    authority = Authority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    secure, mutual = free_ports(2)
    more = _PROPERTIES.format(
        secure=secure,
        mutual=mutual,
        keystore=server.both,
        truststore=authority.certificate,
        user=USER,
        password=PASSWORD,
    )
    try:
        kafka = LocalKafka(CACHE, more)
    except BrokerUnavailableError as error:
        lacks(f"TLS and SASL need an Apache Kafka of the test's own: {error}")
    try:
        kafka.start()
        _let_in(kafka.bootstrap)
        yield SecuredKafka(
            f"localhost:{secure}",
            f"localhost:{mutual}",
            kafka.bootstrap,
            authority.certificate,
            client,
        )
    finally:
        kafka.close()


def _let_in(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            wanted = UserScramCredentialUpsertion(USER, mechanism, PASSWORD)
            assert admin.alter_user_scram_credentials([wanted]) == {USER: None}
    finally:
        admin.close()
