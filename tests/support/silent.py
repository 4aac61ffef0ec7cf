"""Brokers that take connections and never say anything, as hosts do that hang."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def silent_brokers(count: int) -> Iterator[list[str]]:
    """The addresses of so many; the kernel takes the connections, and nobody reads."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield ["{}:{}".format(*each.getsockname()) for each in found]
