"""The authorization server's tests run on both databases."""

from tests.services.issuer_kit import clock, serve, service, target, wallet  # noqa: F401 - fixtures
