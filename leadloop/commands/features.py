"""The command that lists features: the catalog's, one's own, or those of a model version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from data.errors import ConfigError
from leadloop import console
from leadloop.commands.application import FeaturesFile, Json, app


@app.command()
def features(
    version: Annotated[
        str | None, typer.Option(help="List the features of this model version or alias instead.")
    ] = None,
    file: FeaturesFile = None,
    as_json: Json = False,
) -> None:
    """List the features with formula, sentence, group and direction."""
    from features.catalog import default_features
    from features.defining import read_features, with_own
    from features.listing import listed

    if version is not None and file is not None:
        raise ConfigError("a version has the features it was trained on; give either --version or --features")
    own = () if file is None else read_features(file)
    if version is None:
        of, chosen = "the catalog", with_own(default_features(), own)
        own_names = {f.name for f in own}
    else:
        from leadloop.notebook import open_registry, settings

        goal, registry = settings().goal, open_registry()
        number = registry.number(goal, version)
        of, chosen = f"version {number}", registry.load(goal, number).features
        own_names = {str(r["name"]) for r in registry.card(goal, number).get("own_features", ())}
    rows: list[dict[str, Any]] = [{**row, "own": row["feature"] in own_names} for row in listed(chosen)]

    def text() -> None:
        headers = ["feature", "group", "topic", "direction", "formula", "says"]
        console.table(headers, [[row[h] for h in headers] for row in rows])
        n_own = sum(row["own"] for row in rows)
        console.out.print(f"{of}: {len(rows)} features" + (f", {n_own} of them your own" if n_own else ""))

    console.emit({"of": of, "hash": chosen.hash, "features": rows}, as_json=as_json, text=text)
