"""Commands about a person's rights: erase, suppress, unsuppress."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from data.errors import ContractError
from leadloop import console
from leadloop.commands.application import Json, app

LeadId = Annotated[str, typer.Argument(help="The CRM's id of the lead, or a visitor's anonymous id.")]


@app.command()
def erase(
    lead_id: LeadId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: Json = False,
) -> None:
    """Delete everything held about a person, and keep out what arrives later. It cannot be undone."""
    from leadloop.notebook import existing_store, instant

    store = existing_store()
    if not yes:
        question = "Erase everything held about this person, under all its ids? It cannot be undone."
        typer.confirm(question, abort=True, err=True)
    gone = asdict(store.privacy.erase(lead_id, now=instant()))

    def text() -> None:
        console.table(["what", "deleted"], [[what, n] for what, n in gone.items() if what != "ids"])
        console.out.print(
            f"Erased under {_ids(gone['ids'])}. Run `leadloop snapshot` where there is one, and see docs/privacy.md for backups."
        )

    console.emit(gone, as_json=as_json, text=text)


@app.command()
def suppress(lead_id: LeadId, as_json: Json = False) -> None:
    """Neither score a person nor train on it, because it objected."""
    from leadloop.notebook import existing_store, instant

    n = _known(existing_store().privacy.suppress(lead_id, now=instant()))
    console.emit(
        {"suppressed": True, "ids": n},
        as_json=as_json,
        text=lambda: console.out.print(f"Suppressed under {_ids(n)}."),
    )


@app.command()
def unsuppress(lead_id: LeadId, as_json: Json = False) -> None:
    """Score a person again and train on it: the objection is withdrawn."""
    from leadloop.notebook import existing_store

    n = _known(existing_store().privacy.unsuppress(lead_id))
    console.emit(
        {"suppressed": False, "ids": n},
        as_json=as_json,
        text=lambda: console.out.print(f"No longer suppressed under {_ids(n)}."),
    )


def _known(n_ids: int) -> int:
    if not n_ids:
        raise ContractError("this person was erased: nothing is held that could be scored or trained on")
    return n_ids


def _ids(n: int) -> str:
    return "one id" if n == 1 else f"{n:,} ids"
