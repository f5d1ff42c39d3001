"""One list of words that mean a secret: what a contract refuses, and what no message shows."""

import re

import pytest

from rag_pipeline.contracts.read import read_contract
from rag_pipeline.errors import ContractError
from rag_pipeline.settings import PROJECT
from rag_pipeline.urls import hide_also, means_a_secret, secret_in, without_secrets
from tests.conftest import Workspace, files_contract

SECRET = "s3cr3t-Value"
NAMES = [
    *("access_token", "accessToken", "ACCESS_TOKEN", "token", "sig", "Signature", "key", "api_key", "apikey", "x-api-key"),
    *(
        "password",
        "Passwd",
        "pwd",
        "username",
        "user",
        "uid",
        "code",
        "auth",
        "credential",
        "X-Amz-Signature",
        "clientSecret",
    ),
    *(
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "AWSAccessKeyId",
        "x-functions-key",
        "subscription-key",
        "jsessionid",
        "jwt",
    ),
    *("sslpassword", "passfile", "odbc_connect", "api%5Fkey", "%74oken"),
]
HARMLESS = [
    *(
        "page",
        "lang",
        "format",
        "sort_key",
        "keyword",
        "keys",
        "v",
        "sv",
        "se",
        "service_name",
        "sslmode",
        "charset",
        "users",
    ),
    *("codec", "author", "tokens", "significance", "monkey", "passage", "id", "application_name", "driver", "mode", "uri"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_means_a_secret_is_known_wherever_it_stands(name: str) -> None:
    assert means_a_secret(name)
    for url in (
        f"https://example.org/map.xml?{name}={SECRET}",
        f"https://example.org/map.xml?a=1&{name}={SECRET}&b=2",
        f"https://example.org/map.xml;{name}={SECRET}",
        f"https://example.org/map.xml#{name}={SECRET}",
        f"https://example.org/map.xml?{name}%3D{SECRET}",
        f"postgresql+psycopg://host/shop?sslmode=require&{name}={SECRET}",
    ):
        assert secret_in(url), url
        told = without_secrets(f"{url}: answered 500, see {url} and more")
        assert SECRET not in told
        assert "example.org" in told or "host/shop" in told


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_are_no_secrets(name: str) -> None:
    url = f"https://example.org/map.xml?{name}=value&b=2"
    assert not means_a_secret(name)
    assert secret_in(url) is None
    assert without_secrets(url) == url


@pytest.mark.parametrize("login", [f"ada:{SECRET}", SECRET, f"ada:p@{SECRET}", f":{SECRET}"])
def test_a_login_is_a_secret(login: str) -> None:
    url = f"https://{login}@example.org/map.xml"
    assert secret_in(url)
    assert (
        without_secrets(f"{url} and https://example.org/@ada")
        == "https://…@example.org/map.xml and https://example.org/@ada"
    )


@pytest.mark.parametrize(
    "text", ["a & b = c", "x=1; y=2", "Q&A=good; token ring", "https://example.org/@ada/a?b=c", "50 % of #1=2"]
)
def test_a_message_without_an_address_stays(text: str) -> None:
    assert without_secrets(text) == text


def web(location: str, **more: object) -> dict[str, object]:
    custom = [{"property": "connector", "value": "web"}, *({"property": k, "value": v} for k, v in more.items())]
    entry: dict[str, object] = {"server": "site", "type": "custom", "customProperties": custom}
    return entry | ({"location": location} if location else {})


@pytest.mark.parametrize(
    "server",
    [
        *(
            web(f"https://example.org/map.xml?{name}={SECRET}")
            for name in ("access_token", "sig", "username", "uid", "X-Amz-Signature")
        ),
        web(f"https://example.org/map.xml?sv=2024-01-01&sig={SECRET}"),
        web("", pages=[f"https://example.org/a?token={SECRET}"]),
        web(f"https://{SECRET}@example.org/map.xml"),
        {
            "server": "b",
            "type": "s3",
            "format": "documents",
            "location": "s3://docs",
            "endpointUrl": f"http://k:{SECRET}@minio:9",
        },
        {"server": "b", "type": "azure", "format": "documents", "location": f"az://docs/a?sig={SECRET}"},
        {
            "server": "d",
            "type": "postgres",
            "host": f"ada:{SECRET}@db",
            "port": 5432,
            "database": "shop",
            "schema": "public",
        },
    ],
)
def test_a_contract_whose_address_holds_a_secret_is_refused_without_telling_it(
    workspace: Workspace, server: dict[str, object]
) -> None:
    path = workspace.contract("place", files_contract("", servers=[server]))
    with pytest.raises(ContractError, match="a contract holds no credentials, and this address holds one") as told:
        read_contract(path)
    assert SECRET not in str(told.value)


def test_there_is_one_list_of_them() -> None:
    """No other module of the library names such a word, or the schemes of buckets and websites, as a list of its own."""
    words = re.compile(r"""["'](passwd|sslpassword|passfile|apikey|api_key|access_?token)["']""")
    schemes = re.compile(r"""["']s3["'], ["']gs["'], ["']az["']|["']http["'], ["']https["']""")
    texts = {path: path.read_text("utf-8") for path in (PROJECT / "rag_pipeline").rglob("*.py")}
    assert [path.name for path, text in texts.items() if words.search(text) or schemes.search(text)] == ["urls.py"]


def test_a_connectors_own_words_are_refused_in_its_addresses_and_hidden_in_messages() -> None:
    url = "https://example.org/a?agent_name=ada"
    assert secret_in(url) is None
    assert secret_in(url, also=("agentName",)) == "agent_name"
    hide_also(["agentName"])
    assert without_secrets(url) == "https://example.org/a?agent_name=…"
