"""Registries an issuer certifies from: SQL tables, an HTTP interface, or a callable of the agency's own.

``SqlRecords`` and ``HttpRecords`` go by a mapping file (``docs/record-sources.md``); ``open_source`` takes any of the
three by one text, as the command line and the service's settings have it.
"""

from issuer.sources.http import HttpRecords
from issuer.sources.mapping import RegistryMap, lint_mapping, read_mapping
from issuer.sources.opening import open_source
from issuer.sources.sql import SqlRecords

__all__ = ["HttpRecords", "RegistryMap", "SqlRecords", "lint_mapping", "open_source", "read_mapping"]
