"""Commands about API keys: create, list, revoke."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from data.domain import format_instant
from data.keys import SCOPES, Key
from leadloop import console
from leadloop.commands.application import Json, app

keys_app = typer.Typer(
    help="API keys: who may call the service, and for what.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(keys_app, name="keys")

Name = Annotated[str, typer.Argument(help="Who uses the key, such as salesforce.")]


@keys_app.command()
def create(
    name: Name,
    scope: Annotated[
        list[str], typer.Option(help=f"What it allows, once for each: {', '.join(SCOPES)}; admin is all.")
    ],
    rate_per_minute: Annotated[
        int | None, typer.Option(help="Requests a minute and worker; no limit by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it once. Two of a name may live at a time, so that one can replace the other."""
    from leadloop.notebook import instant, open_store

    secret, made = open_store().keys.create(name, scope, now=instant(), rate_per_minute=rate_per_minute)

    def tell() -> None:
        console.err.print("Shown once and kept nowhere; put it where the caller reads it:", markup=False)
        console.out.print(secret, markup=False)

    console.emit({**_shown(made), "key": secret}, as_json=as_json, text=tell)


@keys_app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List all keys by their first and last characters, the revoked ones too."""
    from leadloop.notebook import open_store

    rows = [_shown(key) for key in open_store().keys.all()]
    columns = ["name", "key", "scopes", "rate_per_minute", "created_at", "revoked_at"]

    def tell() -> None:
        cells = [
            [" ".join(row["scopes"]) if c == "scopes" else row[c] or "" for c in columns] for row in rows
        ]
        console.table(columns, cells)

    console.emit({"keys": rows}, as_json=as_json, text=tell)


@keys_app.command()
def revoke(
    name: Name,
    ending: Annotated[
        str | None, typer.Option(help="The key's last four characters, where two live.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key worthless, within a second."""
    from leadloop.notebook import instant, open_store

    gone = open_store().keys.revoke(name, now=instant(), ending=ending)
    console.emit(
        {"name": gone.name, "ending": gone.ending},
        as_json=as_json,
        text=lambda: console.out.print(f"The key {_told(gone)} of {name} is revoked.", markup=False),
    )


def _told(key: Key) -> str:
    return f"{key.beginning}...{key.ending}"


def _shown(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "key": _told(key),
        "scopes": list(key.scopes),
        "rate_per_minute": key.rate_per_minute,
        "created_at": format_instant(key.created_at),
        "revoked_at": None if key.revoked_at is None else format_instant(key.revoked_at),
    }
