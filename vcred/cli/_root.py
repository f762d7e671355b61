"""``vcred`` itself: which groups there are."""

from __future__ import annotations

import click

from vcred.cli._command import Group

__all__ = ["root"]


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"vcred {version('vcred')}")
        ctx.exit()


root = Group(
    "vcred",
    lazy={
        "demo": "vcred.cli.demo",
        "doctor": "vcred.cli.doctor",
        "catalog": "vcred.cli.catalog",
        "trust": "vcred.cli.trust",
        "issuer": "vcred.cli.issuer",
        "wallet": "vcred.cli.wallet",
        "verifier": "vcred.cli.verifier",
        "qr": "vcred.cli.qr",
        "inspect": "vcred.cli.inspect",
    },
)
root.params.append(
    click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="vcred x.y.z")
)
