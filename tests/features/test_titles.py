"""Job titles as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.titles import FUNCTIONS, SENIORITIES, folded, function_of, seniority_of, stated_seniority


@pytest.mark.parametrize(
    ("title", "seniority", "function"),
    [
        # English
        ("CEO", "c_level", "general_management"),
        ("C.E.O.", "c_level", "general_management"),
        ("ceo & co-founder", "c_level", "general_management"),
        ("Chief Revenue Officer", "c_level", "sales"),
        ("Chief Human Resources Officer", "c_level", "people"),
        ("CTO", "c_level", "technology"),
        ("CFO/COO", "c_level", "finance"),
        ("Owner", "c_level", "general_management"),
        ("Member of the Executive Board", "c_level", "other"),
        ("Managing Partner", "c_level", "other"),
        ("President", "c_level", "general_management"),
        ("Vice President, Marketing", "vp", "marketing"),
        ("Sr. VP Sales (EMEA)", "vp", "sales"),
        ("SVP, Global Supply Chain", "vp", "operations"),
        ("Head of Demand Gen", "director", "marketing"),
        ("Director of IT", "director", "technology"),
        ("Senior Director - Product", "director", "product"),
        ("General Manager", "director", "general_management"),
        ("Purchasing Manager", "manager", "purchasing"),
        ("Senior Account Manager", "manager", "sales"),
        ("Team Lead Customer Support", "manager", "customer_service"),
        ("Marketing Lead", "manager", "marketing"),
        ("Lead Software Engineer", "senior", "technology"),
        ("Principal Data Scientist", "senior", "data"),
        ("Sr Accountant", "senior", "finance"),
        ("Account Executive", "individual", "sales"),
        ("Product Owner", "individual", "product"),
        ("data analyst", "individual", "data"),
        ("Legal Counsel", "other", "legal"),
        # who works for whom
        ("Executive Assistant to the CEO", "individual", "general_management"),
        ("Assistant Manager", "manager", "other"),
        ("Advisor to the Board", "individual", "consulting"),
        ("Software Engineer at President Systems", "individual", "technology"),
        ("Marketing Intern", "individual", "marketing"),
        ("Junior Product Manager", "individual", "product"),
        ("Former CEO", "other", "general_management"),
        ("International Sales Manager", "manager", "sales"),
        # German
        ("Geschäftsführer", "c_level", "general_management"),
        ("GESCHAEFTSFUEHRERIN", "c_level", "general_management"),
        ("Geschäftsführer/in", "c_level", "general_management"),
        ("Assistenz der Geschäftsführung", "individual", "general_management"),
        ("Vorstandsvorsitzender", "c_level", "general_management"),
        ("Inhaberin", "c_level", "general_management"),
        ("Gründer", "c_level", "general_management"),
        ("Leiter Einkauf", "director", "purchasing"),
        ("Vertriebsleiterin", "director", "sales"),
        ("Leitung Personal", "director", "people"),
        ("Teamleiter Produktion", "manager", "operations"),
        ("Projektleiter:in", "manager", "other"),
        ("Softwareentwickler (m/w/d)", "individual", "technology"),
        ("Sachbearbeiterin Buchhaltung", "individual", "finance"),
        ("Werkstudent Marketing", "individual", "marketing"),
        # French
        ("PDG", "c_level", "general_management"),
        ("Directrice Générale", "c_level", "general_management"),
        ("Gérant", "c_level", "general_management"),
        ("Directeur commercial", "director", "sales"),
        ("Responsable achats", "manager", "purchasing"),
        ("Chef de projet informatique", "manager", "technology"),
        ("Assistante de direction", "individual", "other"),
        ("Stagiaire communication", "individual", "marketing"),
        ("Développeur", "individual", "technology"),
        # Spanish
        ("Director General", "c_level", "general_management"),
        ("Consejera Delegada", "c_level", "general_management"),
        ("Vicepresidente de Ventas", "vp", "sales"),
        ("Directora de Compras", "director", "purchasing"),
        ("Jefe de Recursos Humanos", "manager", "people"),
        ("Gerente de Operaciones", "manager", "operations"),
        ("Analista de datos", "individual", "data"),
        # what a first look at common titles got wrong
        ("Syndikusrechtsanwältin", "other", "legal"),
        ("HR Business Partner", "individual", "people"),
        ("Produktmanagerin", "manager", "product"),
        ("Kaufmännischer Leiter", "director", "finance"),
        ("DSI", "director", "technology"),
        ("DRH", "director", "people"),
        ("DAF", "director", "finance"),
        ("Ingénieur d'affaires", "individual", "sales"),
        ("Encargado de almacén", "manager", "operations"),
        # neither
        ("Wizard", "other", "other"),
        ("部長", "other", "other"),
    ],
)
def test_titles(title, seniority, function):
    assert (seniority_of(title), function_of(title)) == (seniority, function)


@pytest.mark.parametrize("title", ["", "   ", "---", "!?"])
def test_a_title_without_letters_is_missing(title):
    assert seniority_of(title) is None
    assert function_of(title) is None


@pytest.mark.parametrize(
    "word", ["Internal Auditor", "Directory Clerk", "Ahead of the curve clerk", "Vpn technician"]
)
def test_parts_of_words_are_no_rank(word):
    assert seniority_of(word) in ("individual", "other")


@pytest.mark.parametrize(
    ("stated", "level"),
    [
        ("C-Suite", "c_level"), ("c_level", "c_level"), ("Owner", "c_level"), ("VP", "vp"), ("Director", "director"),
        ("Entry", "individual"), ("Individual Contributor", "individual"), ("Head of something", "director"), ("?", None),
        ("unheard of", "other"),
    ],
)  # fmt: skip
def test_seniority_as_crms_state_it(stated, level):
    assert stated_seniority(stated) == level


@pytest.mark.parametrize("level", SENIORITIES)
def test_our_own_seniority_levels_mean_themselves(level):
    assert stated_seniority(level) == level


@pytest.mark.parametrize("function", FUNCTIONS)
def test_our_own_function_levels_mean_themselves(function):
    assert function_of(function) == function


@given(st.text(max_size=40))
def test_any_text_gets_a_known_level_or_none(text):
    assert seniority_of(text) in (*SENIORITIES, None)
    assert function_of(text) in (*FUNCTIONS, None)
    assert (seniority_of(text) is None) == (folded(text) == "")


@given(st.sampled_from(["Head of Sales", "Geschäftsführer", "Chef de projet", "VP Marketing"]))
def test_capitals_and_spaces_do_not_matter(title):
    assert seniority_of(f"  {title.upper()}  ") == seniority_of(title)
    assert function_of(title.replace(" ", "  ").lower()) == function_of(title)
