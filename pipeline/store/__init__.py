"""Where everything is kept for people to ask about: ClickHouse, as a server or embedded.

The only place that imports `clickhouse_connect`. Both engines take the same calls.
"""

from pipeline.store.client import Rows, Store, check_store
from pipeline.store.errors import StoreError, StoreRefused, StoreUnavailable

__all__ = ["Rows", "Store", "StoreError", "StoreRefused", "StoreUnavailable", "check_store"]
