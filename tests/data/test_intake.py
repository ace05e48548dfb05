"""On the way in: whose visits count, and what channel they came by."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConfigError
from data.intake import INTAKE_FIELDS, Intake, load_intake, parse_intake
from data.sources.importing import import_tables
from data.store import Store, open_store
from data.traffic import BOT, INTERNAL_EMAIL, INTERNAL_HOST, INTERNAL_NETWORK, Traffic, parse_traffic
from tests.data.test_importing import NOW, accounts_for_every_row, write

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

OURS = parse_intake(
    {
        "own_domains": ["acme.example"],
        "channels": [{"name": "partner", "source": "partner-*"}],
        "traffic": {
            "bot_words": ["AcmeProbe"],
            "internal_hosts": ["staging.acme.example", "localhost"],
            "internal_networks": ["10.0.0.0/8", "2001:db8::/32", "198.51.100.7"],
            "internal_email_domains": ["acme.example"],
        },
    }
)


@pytest.fixture
def store(sqlite_url):
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0)",
        "LinkedInBot/1.0",
        "Mozilla/5.0 (compatible; Yahoo! Slurp)",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (X11) HeadlessChrome/140.0",
        "BaiduSpider",
        "Mozilla/5.0 (compatible; UptimeRobot/2.0)",
        "SomeCrawler 2",
        "Mozilla/5.0 BingPreview/1.0b",
        "Site24x7 Monitoring",
        "WhatsApp/2.23",
        "curl/8.5.0",
        "python-requests/2.32",
        "Go-http-client/1.1",
        "Mozilla/5.0 acmeprobe",
    ],
)
def test_bots_are_left_out(agent):
    assert OURS.traffic.reason({"user_agent": agent}) == BOT


@pytest.mark.parametrize(
    "agent",
    [
        CHROME,
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 Chrome/100 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14) Mobile Safari/537.36 WhatsApp/2.23",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Bottled/1.0",
        "",
        None,
    ],
)
def test_people_are_not_bots(agent):
    assert OURS.traffic.reason({"user_agent": agent}) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"ip": "10.1.2.3"}, INTERNAL_NETWORK),
        ({"ip": "::ffff:10.1.2.3"}, INTERNAL_NETWORK),
        ({"ip": "2001:DB8::1"}, INTERNAL_NETWORK),
        ({"ip": "198.51.100.7"}, INTERNAL_NETWORK),
        ({"ip": "198.51.100.8"}, None),
        ({"ip": "10.1.2"}, None),
        ({"page_url": "https://Staging.Acme.example/x"}, INTERNAL_HOST),
        ({"page_url": "http://a.localhost:3000/"}, INTERNAL_HOST),
        ({"page_url": "https://acme.example/staging.acme.example"}, None),
        ({"email": "Eve@ACME.example"}, INTERNAL_EMAIL),
        ({"email": "eve@mail.acme.example"}, INTERNAL_EMAIL),
        ({"email": "eve@notacme.example"}, None),
        ({"email": "acme.example@other.example"}, None),
        ({}, None),
    ],
)
def test_visits_of_the_firm_itself_are_left_out(said, reason):
    assert OURS.traffic.reason(said) == reason


def test_filters_can_be_switched_off():
    assert parse_traffic({"drop_bots": False}, where="x").reason({"user_agent": "Googlebot"}) is None
    assert (
        Traffic().reason({"ip": "10.0.0.1", "email": "a@acme.example", "page_url": "http://localhost/"})
        is None
    )


@given(st.dictionaries(st.sampled_from(INTAKE_FIELDS), st.none() | st.text(max_size=40)))
def test_whatever_is_sent_can_be_judged(said):
    assert OURS.traffic.reason(said) in {None, BOT, INTERNAL_EMAIL, INTERNAL_HOST, INTERNAL_NETWORK}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"own_domain": ["x"]}, r"unknown key 'own_domain' in \[intake\]; did you mean 'own_domains'\?"),
        ({"traffic": {"internal_network": "x"}}, r"in \[intake.traffic\]; did you mean 'internal_networks'"),
        ({"traffic": {"internal_networks": ["10.0.0/8"]}}, r"'10.0.0/8' .* is no network; write it like"),
        ({"traffic": {"drop_bots": "yes"}}, "must be true or false"),
        ({"traffic": {"bot_words": [""]}}, "none of them blank"),
        ({"channels": [{"name": "x", "sorce": "y"}]}, r"did you mean 'source'"),
        ({"own_domains": 3}, "must be a text or a list of texts"),
        ([], "must be a table"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(table, says):
    with pytest.raises(ConfigError, match=says):
        parse_intake(table)


def test_an_intake_file_is_read_and_its_mistakes_are_named(tmp_path: Path):
    file = tmp_path / "intake.toml"
    file.write_text('[intake.traffic]\nbot_words = ["x"]\n')
    assert load_intake(file).traffic.bot_words == ("x",)
    assert load_intake(None) == Intake()
    file.write_text("[intakes]\n")
    with pytest.raises(ConfigError, match="did you mean 'intake'"):
        load_intake(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_intake(tmp_path / "none.toml")


# Imports

MAPPING = """
[source]
name = "web"
[intake]
own_domains = ["acme.example"]
[[intake.channels]]
name = "partner"
source = "partner-*"
[intake.traffic]
internal_networks = ["10.0.0.0/8"]

[[touchpoints]]
file = "visits.csv"
touchpoint_id = "id"
lead_id = "who"
occurred_at = "at"
type = "what"
channel = "channel"
campaign = "campaign"
utm_source = "src"
utm_medium = "med"
utm_campaign = "cmp"
gclid = "gclid"
referrer = "ref"
page_url = "url"
user_agent = "agent"
ip = "ip"
"""
VISITS = f"""id,who,at,what,channel,campaign,src,med,cmp,gclid,ref,url,agent,ip
1,ada,2026-01-01T00:00:00Z,page_view,,,google,cpc,Spring,,,,{CHROME},8.8.8.8
2,ada,2026-01-02T00:00:00Z,page_view,,,,,,,https://www.bing.com/,,,
3,ada,2026-01-03T00:00:00Z,page_view,booth,May,google,cpc,Spring,,,,,
4,ada,2026-01-04T00:00:00Z,page_view,,,,,,X1,,,,
5,ada,2026-01-05T00:00:00Z,call,,,,,,,,,,
6,ada,2026-01-06T00:00:00Z,page_view,,,,,,,https://app.acme.example/,https://acme.example/,,
7,ada,2026-01-07T00:00:00Z,page_view,,,Partner-9,referral,,,,,,
8,bot,2026-01-07T00:00:00Z,page_view,,,,,,,,,Googlebot/2.1,
9,eve,2026-01-07T00:00:00Z,page_view,,,,,,,,,,10.0.0.9
"""


def import_visits(store: Store, folder: Path, *, mapping: str = MAPPING, intake: Intake | None = None):
    made = write(folder, visits__csv=VISITS.replace(f"{CHROME}", f'"{CHROME}"'), mapping__toml=mapping)
    return import_tables(store, path=made, now=NOW, intake=intake)


def test_imported_visits_get_their_channel_and_bots_are_counted(store: Store, tmp_path: Path):
    report = import_visits(store, tmp_path / "x")
    assert accounts_for_every_row(report)
    assert report.dropped == {BOT: 1, INTERNAL_NETWORK: 1}
    kept = {t.touchpoint_id: (t.channel, t.campaign) for t in store.histories(["ada"])["ada"].touchpoints}
    assert kept == {
        "1": ("paid_search", "Spring"),
        "2": ("organic_search", None),
        "3": ("booth", "May"),
        "4": ("paid_search", None),
        "5": (None, None),
        "6": (None, None),
        "7": ("partner", None),
    }
    assert store.histories(["bot", "eve"]) == {}


def test_rules_of_the_installation_count_where_the_mapping_has_none(store: Store, tmp_path: Path):
    plain = MAPPING[: MAPPING.index("[intake]")] + MAPPING[MAPPING.index("[[touchpoints]]") :]
    quiet = parse_intake({"traffic": {"drop_bots": False, "internal_networks": ["8.0.0.0/8"]}})
    assert import_visits(store, tmp_path / "x", mapping=plain, intake=quiet).dropped == {INTERNAL_NETWORK: 1}
    assert import_visits(store, tmp_path / "y", intake=quiet).dropped == {BOT: 1, INTERNAL_NETWORK: 1}


def test_an_import_again_finds_visits_without_an_id_known(store: Store, tmp_path: Path):
    mapping = MAPPING.replace('touchpoint_id = "id"\n', "")
    assert import_visits(store, tmp_path / "x", mapping=mapping).kept == 7
    again = import_visits(store, tmp_path / "x", mapping=mapping)
    assert (again.kept, again.known) == (0, 7)


def test_nothing_of_what_told_the_channel_is_kept(sqlite_url: str, store: Store, tmp_path: Path):
    import_visits(store, tmp_path / "x")
    content = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    for told in (b"8.8.8.8", b"www.bing.com", b"AppleWebKit", b"X1"):
        assert told not in content
