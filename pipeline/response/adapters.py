"""The adapters that there are, by the kind named in the configuration."""

from collections.abc import Mapping, Sequence

from pipeline.config import Gateway
from pipeline.response.gateway import Adapter
from pipeline.response.litellm import LiteLLMGateway
from pipeline.response.webhook import WebhookGateway


def adapter(gateway: Gateway) -> Adapter:
    """The adapter of one gateway.

    Raises:
        ValueError: its secret cannot be used.
    """
    return LiteLLMGateway(gateway) if gateway.kind == "litellm" else WebhookGateway(gateway)


def adapters(gateways: Sequence[Gateway]) -> Mapping[str, Adapter]:
    """The adapter of each gateway by name; of two with one name, the later.

    Raises:
        ValueError: a secret cannot be used; the gateway is named, the secret is not.
    """
    return {gateway.name: adapter(gateway) for gateway in gateways}
