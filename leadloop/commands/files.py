"""Commands that write data for other tools: snapshot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from leadloop import console
from leadloop.commands.application import Json, app


@app.command()
def snapshot(
    buckets: Annotated[
        int | None,
        typer.Option(help="Spread leads over this many files; by default one for 500,000 touchpoints."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; snapshot in LEADLOOP_HOME by default.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="By default one for each core.")] = None,
    as_json: Json = False,
) -> None:
    """Write leads and touchpoints to Parquet files by lead; again: add what is new, or go on after a kill."""
    from data.buckets.build import build_buckets
    from data.buckets.source import StoreSource
    from leadloop.notebook import existing_store, settings

    chosen = settings()
    existing_store().close()  # says what is wrong with the store before any process begins
    folder = out or chosen.home / "snapshot"
    with console.progress(quiet=as_json) as step:
        built = build_buckets(
            StoreSource(chosen.store_url),
            folder,
            n_buckets=buckets,
            processes=processes or len(os.sched_getaffinity(0)),
            progress=step,
        )
    held = built.manifest
    found = {
        "folder": str(folder), "buckets": held.n_buckets, "touchpoints": held.rows, "leads": held.n_leads, "new": built.new_rows,
        "torn": built.torn, "segments": len(held.segments), "resumed": built.resumed, "rebuilt": built.rebuilt, "hash": held.hash,
    }  # fmt: skip

    def text() -> None:
        console.out.print(
            f"{held.rows:,} touchpoints of {held.n_leads:,} leads in {held.n_buckets} buckets, {built.new_rows:,} of them new: {folder}"
        )
        if built.resumed:
            console.out.print("A build that was cut off has been ended; run again for what came since.")
        if built.torn:
            console.out.print(
                f"{built.torn} files were written anew: links joined ids that lay in different buckets."
            )
        if built.rebuilt:
            console.out.print("Everything was read anew.")

    console.emit(found, as_json=as_json, text=text)
