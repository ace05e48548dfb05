"""Job titles as people write them, in four languages.

One table of spellings per (language, function, seniority): some plain, some abbreviated, in the wrong case or with a typing error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

LANGUAGES = ("en", "de", "fr", "es")
FUNCTIONS = ("sales", "marketing", "it", "finance", "operations", "hr", "product")
SENIORITIES = ("c_level", "vp", "director", "manager", "staff")

_WORDS = {
    "en": ("Sales", "Marketing", "IT", "Finance", "Operations", "HR", "Product"),
    "de": ("Vertrieb", "Marketing", "IT", "Finanzen", "Betrieb", "Personal", "Produkt"),
    "fr": ("Commercial", "Marketing", "Informatique", "Finances", "Opérations", "RH", "Produit"),
    "es": ("Ventas", "Marketing", "Informática", "Finanzas", "Operaciones", "RRHH", "Producto"),
}
_PATTERNS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "c_level": ("Chief {} Officer", "CEO", "Founder & {} Lead", "Managing Director", "Co-Founder / {}"),
        "vp": ("VP {}", "Vice President {}", "V.P. of {}", "SVP {}", "VP, {} EMEA"),
        "director": ("Director of {}", "{} Director", "Head of {}", "Dir. {}", "Sr. Director {}"),
        "manager": ("{} Manager", "Manager, {}", "{} Mgr", "Senior {} Manager", "Team Lead {}"),
        "staff": ("{} Specialist", "{} Analyst", "{} Coordinator", "Jr. {} Associate", "{} Intern"),
    },
    "de": {
        "c_level": ("Geschäftsführer", "Geschäftsführerin {}", "GF", "Vorstand {}", "Inhaber"),
        "vp": ("Bereichsleiter {}", "VP {}", "Bereichsleitung {}", "Vice President {}"),
        "director": ("Leiter {}", "{}sleiter", "Leitung {}", "Abteilungsleiterin {}", "Ltr. {}"),
        "manager": ("{} Manager (m/w/d)", "Teamleiter {}", "Teamleitung {}", "{}-Manager"),
        "staff": ("Referent {}", "Sachbearbeiter {}", "Mitarbeiterin {}", "Werkstudent {}"),
    },
    "fr": {
        "c_level": ("PDG", "Directeur Général", "Directrice générale", "Gérant", "Fondateur"),
        "vp": ("Vice-président {}", "VP {}", "Directeur exécutif {}"),
        "director": ("Directeur {}", "Directrice {}", "Dir. {}", "Responsable du pôle {}"),
        "manager": ("Responsable {}", "Chef de projet {}", "Resp. {}", "Manager {}"),
        "staff": ("Chargé de {}", "Assistante {}", "Stagiaire {}", "Analyste {}"),
    },
    "es": {
        "c_level": ("Director General", "Gerente General", "CEO", "Socio fundador"),
        "vp": ("Vicepresidente de {}", "VP {}", "Vicepresidenta {}"),
        "director": ("Director de {}", "Directora de {}", "Jefe de {}", "Dir. {}"),
        "manager": ("Responsable de {}", "Gerente de {}", "Coordinadora de {}"),
        "staff": ("Técnico de {}", "Asistente de {}", "Analista de {}", "Becario {}"),
    },
}


def _misspelt(title: str) -> str:
    middle = len(title) // 2
    return title[: middle - 1] + title[middle] + title[middle - 1] + title[middle + 1 :]


def _spellings(title: str) -> list[str]:
    # Twelve ways, most of them right: about one title in three is messy.
    messy = [title.lower(), title.upper(), f" {title}", _misspelt(title) if len(title) > 6 else title]
    return [title] * 8 + messy


@dataclass(frozen=True, slots=True)
class TitleTable:
    """Every spelling, those of one (language, function, seniority) together: ``count`` of them from ``start`` on, shape (4, 7, 5)."""

    titles: tuple[str, ...]
    start: np.ndarray
    count: np.ndarray


@cache
def title_table() -> TitleTable:
    """The spellings; all of one cell are equally likely, and some stand there several times."""
    table: list[str] = []
    start = np.zeros((len(LANGUAGES), len(FUNCTIONS), len(SENIORITIES)), dtype=np.int64)
    count = np.zeros_like(start)
    for i, tongue in enumerate(LANGUAGES):
        for j, word in enumerate(_WORDS[tongue]):
            for k, level in enumerate(SENIORITIES):
                titles = [s for p in _PATTERNS[tongue][level] for s in _spellings(p.format(word).strip())]
                start[i, j, k], count[i, j, k] = len(table), len(titles)
                table.extend(titles)
    return TitleTable(tuple(table), start, count)


def draw_titles(
    rng: np.random.Generator, *, language: np.ndarray, function: np.ndarray, seniority: np.ndarray
) -> np.ndarray:
    """A spelling for each person; the arguments are codes into the tuples above, shape (n,). Object array of texts."""
    table, key = title_table(), (language, function, seniority)
    pick = table.start[key] + (rng.random(len(language)) * table.count[key]).astype(np.int64)
    return np.array(table.titles, dtype=object)[pick]
