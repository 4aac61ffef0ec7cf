"""Fixtures for every test; each part of the product has a module of its own for them."""

from hypothesis import settings

pytest_plugins = ("tests.support.fixtures_kafka", "tests.support.fixtures_store")

# A timed assertion is no test: a busy machine is no reason to fail.
settings.register_profile("leakline", deadline=None)
settings.load_profile("leakline")
