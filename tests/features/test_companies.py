"""E-mail domains and company sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.mail_domains import DOMAIN_KINDS, kind_of_domain, kind_of_email
from features.companies import SIZE_BANDS, band_of_employees, band_of_text


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("gmail.com", "free_mail"), ("GMAIL.COM", "free_mail"), ("yahoo.co.uk", "free_mail"), ("gmx.at", "free_mail"),
        ("web.de", "free_mail"), ("t-online.de", "free_mail"), ("outlook.fr", "free_mail"), ("orange.fr", "free_mail"),
        ("proton.me", "free_mail"), ("qq.com", "free_mail"), ("acme.com", "corporate"), ("mail.acme.com", "corporate"),
        ("web.dev", "corporate"), ("gmail.acme.com", "corporate"), ("notgmail.com", "corporate"), ("orange.com", "corporate"),
        ("mit.edu", "education"), ("cs.ox.ac.uk", "education"), ("unimelb.edu.au", "education"), ("uni-koeln.de", "education"),
        ("student.tu-berlin.de", "education"), ("education.com", "corporate"), ("whitehouse.gov", "government"),
        ("service.gov.uk", "government"), ("interieur.gouv.fr", "government"), ("seg-social.gob.es", "government"),
        ("bmi.bund.de", "government"), ("ec.europa.eu", "government"), ("army.mil", "government"), ("gov.io", "corporate"),
        ("https://www.acme.com/about?x=1", "corporate"), ("www.acme.de", "corporate"), ("münchen-bau.de", "corporate"),
        ("n/a", None), ("localhost", None), ("", None), ("10.0.0.1", None), ("acme", None),
    ],
)  # fmt: skip
def test_domains(domain, kind):
    assert kind_of_domain(domain) == kind


@pytest.mark.parametrize(
    ("email", "kind"),
    [("Ada@Gmail.com", "free_mail"), (" ada@acme.io ", "corporate"), ("a@b@mit.edu", "education"), ("ada", None), ("ada@", None)],
)  # fmt: skip
def test_addresses(email, kind):
    assert kind_of_email(email) == kind


@given(st.text(max_size=30))
def test_any_text_gets_a_known_kind_or_none(text):
    assert kind_of_domain(text) in (*DOMAIN_KINDS, None)
    assert kind_of_email(text) in (*DOMAIN_KINDS, None)


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("1-10", "1-10"), ("1", "1-10"), ("11-50 employees", "11-50"), ("51 to 200", "51-200"), ("200-499", "201-500"),
        ("500-999", "501-1000"), ("1000-1999", "1001-5000"), ("2000+", "1001-5000"), ("5000+", "5001+"),
        ("10,001+", "5001+"), ("1.000 – 5.000", "1001-5000"), ("1 000 à 4 999", "1001-5000"), ("5k-10k", "5001+"),
        ("> 5000", "5001+"), ("more than 200", "201-500"), ("<10", "1-10"), ("up to 50 people", "11-50"),
        ("Self-employed", "1-10"), ("250", "201-500"), ("Enterprise", None), ("", None), ("unknown", None), ("0", None),
    ],
)  # fmt: skip
def test_company_sizes_as_written(text, band):
    assert band_of_text(text) == band


@pytest.mark.parametrize(
    ("employees", "band"),
    [(1, "1-10"), (10, "1-10"), (11, "11-50"), (5000, "1001-5000"), (5001, "5001+"), (0, None), (-3, None)],
)
def test_bands_hold_their_upper_edge(employees, band):
    assert band_of_employees(employees) == band


@pytest.mark.parametrize("band", SIZE_BANDS)
def test_a_band_read_as_text_is_itself(band):
    assert band_of_text(band) == band


@given(st.text(max_size=20))
def test_any_size_text_gets_a_band_or_none(text):
    assert band_of_text(text) in (*SIZE_BANDS, None)


def test_made_up_addresses_of_free_mailers_are_free_mail():
    """They were taken for companies, so the synthetic firm's model could not learn from them."""
    assert kind_of_email("anna.branlo42@gmail.example") == "free_mail"
    assert kind_of_email("anna@bexcela.example") == "corporate"
