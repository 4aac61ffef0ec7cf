"""Fixtures for every test; each part of the product has a module of its own for them."""

pytest_plugins = ("tests.support.fixtures_kafka", "tests.support.fixtures_store")
