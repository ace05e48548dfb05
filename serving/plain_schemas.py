"""Schemas in the small language that CRM builders understand.

FastAPI and our own records speak JSON Schema 2020-12: types in lists, null as a type, patterns of names. OpenAPI 3.0 and 2.0, and more
so the tools that import them, know none of that. Here a schema becomes one type, ``nullable`` beside it, and no alternatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

_DROPPED = ("title", "patternProperties", "examples")
_HERE = "#/components/schemas/"


class Plain:
    """Lowers schemas and collects those that have a name.

    Parameters
    ----------
    named : the schemas that ``$ref`` names, as FastAPI wrote them.
    own : the user's own fields, which messages about leads may carry; name to schema.
    """

    def __init__(self, named: Mapping[str, Schema], *, own: Mapping[str, Schema]) -> None:
        self._named = named
        self._own = own
        self.found: dict[str, Schema] = {}

    def message(self, schema: Schema) -> Schema:
        """A request's schema: one named object; unknown fields are refused, so it is closed. Of alternatives the first."""
        return self._lowered(_only(schema), is_message=True)

    def answer(self, schema: Schema) -> Schema:
        """An answer's schema. It stays open: members may be added."""
        return self._lowered(schema, is_message=False)

    def _lowered(self, schema: Schema, *, is_message: bool) -> Schema:
        alternatives, is_nullable = _without_null(schema)
        if len(alternatives) != 1:
            raise ValueError(f"a schema with alternatives has no plain form: {sorted(schema)}")
        [one] = alternatives
        if "$ref" in one:
            return self._referred(one, is_nullable=is_nullable, said=schema.get("description"))
        plain = {name: value for name, value in one.items() if name not in _DROPPED}
        if isinstance(plain.get("type"), list):
            [plain["type"]] = [kind for kind in plain["type"] if kind != "null"]
        if "examples" in one:
            plain["example"] = one["examples"][0]
        if plain.get("default", ...) is None:
            del plain["default"]
        if plain.get("type") == "object":
            self._object(plain, one, is_message=is_message)
        if "items" in plain:
            plain["items"] = self._lowered(plain["items"], is_message=is_message)
        if is_message and plain.get("type") == "object" and "title" in one:
            self.found[one["title"]] = plain
            return {"$ref": _HERE + one["title"]}
        return {**plain, "nullable": True} if is_nullable else plain

    def _object(self, plain: Schema, schema: Schema, *, is_message: bool) -> None:
        properties = {
            name: self._lowered(of, is_message=is_message)
            for name, of in schema.get("properties", {}).items()
        }
        if "patternProperties" in schema:
            properties.update(self._own)
        plain.pop("properties", None)
        plain.pop("additionalProperties", None)
        if properties:
            plain["properties"] = properties
        if is_message:
            plain["additionalProperties"] = False

    def _referred(self, schema: Schema, *, is_nullable: bool, said: str | None) -> Schema:
        name = schema["$ref"].removeprefix(_HERE)
        if is_nullable:
            # A reference cannot be null in 3.0, so what it names is written out.
            return {**self._lowered(self._named[name], is_message=False), "nullable": True}
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self._lowered(self._named[name], is_message=False)
        return {"allOf": [{"$ref": _HERE + name}], "description": said} if said else {"$ref": _HERE + name}


def _only(schema: Schema) -> Schema:
    return schema["oneOf"][0] if "oneOf" in schema else schema


def _without_null(schema: Schema) -> tuple[list[Schema], bool]:
    """The alternatives that are not null, what is said of all of them joined to each; and whether null is one."""
    if "anyOf" in schema:
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        kept = [{**rest, **part} for part in schema["anyOf"] if part.get("type") != "null"]
        return kept, len(kept) < len(schema["anyOf"])
    kinds = schema.get("type")
    return [schema], isinstance(kinds, list) and "null" in kinds
