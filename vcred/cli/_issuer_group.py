"""What the commands of ``vcred issuer`` share."""

from __future__ import annotations

from pathlib import Path

import click

from vcred.cli._command import Group, option

__all__ = ["PATH", "STATES", "command", "forced", "in_folder", "with_password", "with_records"]

PATH = click.Path(path_type=Path)
STATES = {0: ("유효", "valid"), 1: ("폐기", "revoked"), 2: ("정지", "suspended")}

command = Group("issuer")
in_folder = option("--issuer", "folder", default=".", envvar="VCRED_ISSUER", type=PATH)
with_password = option("--password-file", type=PATH)
with_records = option("--records", required=True, type=PATH)
forced = option("--force", is_flag=True)
