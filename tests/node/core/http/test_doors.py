"""Guards, forgeries, headers and problems, each through the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask, g, request
from flask.testing import FlaskClient
from flask.views import MethodView
from werkzeug.datastructures import Headers

from federation.errors import SequenceGap, TooManyRequests
from node.app import create_app
from node.config import Settings
from node.core.capability import Capability
from node.core.errors import Changed, Unavailable
from node.core.http import csrf, headers, rendering
from node.core.http.context import ground
from node.core.http.guards import OPEN_DOORS, Viewer, guarded, set_viewer_loader, viewer

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
SESSION = Viewer(
    1, "http://aubier.localhost:8101/people/a", "Ada", frozenset({"member"}), "fr", session_id="s1"
)
ADMIN = Viewer(
    2, "http://aubier.localhost:8101/people/b", "Bo", frozenset({"member", "admin"}), "en", session_id="s2"
)
SCRIPT = Viewer(3, "http://a/p", "Robot", frozenset({"member"}), "en", scopes=frozenset({"posts:write"}))


def doors() -> Blueprint:
    blueprint = Blueprint("doors", __name__)

    @blueprint.get("/member")
    @guarded()
    def member() -> str:
        return viewer().name

    @blueprint.get("/admin")
    @guarded("admin")
    def admin() -> str:
        return "admin"

    @blueprint.get("/forgotten")
    def forgotten() -> str:
        return "secret"

    @blueprint.get("/open")
    def opened() -> str:
        return csrf.token()

    @blueprint.post("/open")
    def change() -> str:
        return "changed"

    @blueprint.post("/wire")
    @csrf.exempt
    def wire() -> str:
        return "taken"

    @blueprint.post("/posts")
    @guarded(scope="posts:write")
    def posts() -> str:
        return "posted"

    @blueprint.get("/token")
    @guarded()
    def token() -> str:
        return csrf.token()

    class Thing(MethodView):
        @guarded()
        def get(self) -> str:
            return "thing"

        def delete(self) -> str:
            return "gone"

    blueprint.add_url_rule("/thing", view_func=Thing.as_view("thing"))

    @blueprint.get("/fails/<how>")
    @guarded()
    def fails(how: str) -> str:
        raise {
            "changed": Changed("Someone joined.", cause="secret cause", joined=["Zoé"]),
            "busy": Unavailable("Try again."),
            "gap": SequenceGap("Entries 3 to 5 are missing.", expected=3),
            "rate": TooManyRequests("Slow down.", retry_after=7),
            "bug": RuntimeError("secret bug"),
        }[how]

    @blueprint.get("/sign-in-page")
    def sign_in_page() -> str:
        headers.allow_form_targets(["https://login.example"])
        return "<p>page</p>"

    return blueprint


@pytest.fixture
def app(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    for endpoint in ("opened", "change", "wire", "sign_in_page"):
        monkeypatch.setitem(OPEN_DOORS, f"doors.{endpoint}", "a test")

    def set_up(app: Flask, _: object) -> None:
        by_name = {"session": SESSION, "admin": ADMIN, "script": SCRIPT}
        set_viewer_loader(app, lambda: by_name.get(request.headers.get("X-Who", "")))

    app = create_app(
        make_settings(),
        capabilities=[Capability(name="doors", blueprints=(doors(),), set_up=set_up)],
    )
    yield app
    with app.app_context():
        ground().close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def who(name: str, **more: str) -> dict[str, str]:
    return {"X-Who": name, **more}


def test_a_member_passes_and_is_known(client: FlaskClient) -> None:
    assert client.get("/member", headers=who("session")).text == "Ada"


@pytest.mark.parametrize(
    ("path", "name", "status"),
    [
        ("/member", "", 401),
        ("/admin", "session", 404),  # as if it did not exist
        ("/admin", "admin", 200),
        ("/forgotten", "admin", 404),  # a route without a guard is shut
        ("/member", "script", 404),  # a token opens no page
        ("/thing", "", 401),
        ("/thing", "session", 200),
        ("/nowhere", "admin", 404),
        ("/health", "", 200),
    ],
)
def test_who_passes(client: FlaskClient, path: str, name: str, status: int) -> None:
    assert client.get(path, headers=who(name)).status_code == status


def test_a_method_without_a_guard_is_shut(client: FlaskClient) -> None:
    token = client.get("/token", headers=who("session")).text
    assert client.delete("/thing", headers=who("session", **{csrf.HEADER: token})).status_code == 404


def test_forbidden_and_absent_are_the_same_answer(client: FlaskClient) -> None:
    answers = [client.get(path, headers=who("session")) for path in ("/admin", "/nowhere", "/forgotten")]
    assert len({(answer.status_code, answer.data) for answer in answers}) == 1


def test_options_tells_nothing(client: FlaskClient) -> None:
    assert client.options("/admin").status_code == 405


def test_a_token_needs_the_scope(client: FlaskClient) -> None:
    assert client.post("/posts", headers=who("script")).text == "posted"
    assert client.post("/posts").status_code == 401


def test_a_token_without_the_scope_is_told_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = Viewer(3, "http://a/p", "Robot", frozenset({"member"}), "en", scopes=frozenset({"posts:read"}))
    set_viewer_loader(client.application, lambda: poor)
    answer = client.post("/posts")
    assert (answer.status_code, answer.get_json()["scope"]) == (403, "posts:write")


def test_a_change_with_the_token_of_the_page_passes(client: FlaskClient) -> None:
    token = client.get("/open").text
    answer = client.post(
        "/open", data={csrf.FIELD: token}, headers={"Origin": "http://aubier.localhost:8101"}
    )
    assert answer.text == "changed"


def test_a_token_serves_its_own_session_alone(client: FlaskClient) -> None:
    token = client.get("/token", headers=who("session")).text
    assert client.post("/posts", headers=who("session", **{csrf.HEADER: token})).text == "posted"
    client.set_cookie("visitor", "x" * csrf.VISITOR_CHARS)
    assert client.post("/open", headers={csrf.HEADER: token}).status_code == 403


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {csrf.HEADER: "x"},
        {csrf.HEADER: "é"},
        {csrf.HEADER: "A" * 88},
        {"token": "", "Origin": "https://evil.example"},
        {"token": "", "Origin": "null"},
        {"token": "", "Sec-Fetch-Site": "cross-site"},
        {"token": "", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_refuses_a_forged_change(client: FlaskClient, forged: dict[str, str]) -> None:
    token = client.get("/open").text
    sent = Headers(
        {(csrf.HEADER if name == "token" else name): value or token for name, value in forged.items()}
    )
    assert client.post("/open", headers=sent).status_code == 403


def test_a_visitor_who_only_reads_gets_no_cookie(client: FlaskClient) -> None:
    assert "Set-Cookie" not in client.get("/sign-in-page").headers


def test_the_wire_needs_no_token(client: FlaskClient) -> None:
    assert client.post("/wire").text == "taken"


def test_tokens_are_masked_anew(client: FlaskClient) -> None:
    assert (
        client.get("/token", headers=who("session")).text != client.get("/token", headers=who("session")).text
    )


def test_a_page_may_load_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/sign-in-page")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "form-action 'self' https://login.example;" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_one_answer_does_not_widen_the_next(client: FlaskClient) -> None:
    client.get("/sign-in-page")
    assert "login.example" not in client.get("/open").headers["Content-Security-Policy"]


def test_https_is_remembered(make_settings: Callable[..., Settings]) -> None:
    app = create_app(
        make_settings(origin="https://parvis.example", environment="production"), capabilities=[]
    )
    assert "max-age=31536000" in app.test_client().get("/health").headers["Strict-Transport-Security"]
    with app.app_context():
        ground().close()


def test_static_files_with_their_mark_are_kept(client: FlaskClient, app: Flask) -> None:
    with app.test_request_context():
        address = rendering.asset("tokens.css")
    with client.get(address) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Cookie" not in answer.headers.get("Vary", "")
        etag = answer.headers["ETag"]
    with client.get(address, headers={"If-None-Match": etag}) as again:
        assert again.status_code == 304
        assert "immutable" in again.headers["Cache-Control"]


def test_fonts_are_kept(client: FlaskClient) -> None:
    with client.get("/static/fonts/schibsted-grotesk-latin-wght-normal.woff2") as answer:
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["tokens.css", "tokens.css?v=1", "absent.css?v=1", "fonts/absent"])
def test_static_files_without_their_mark_are_asked_for_again(client: FlaskClient, path: str) -> None:
    with client.get(f"/static/{path}") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_problem_says_what_is_safe(client: FlaskClient) -> None:
    answer = client.get("/fails/changed", headers=who("session"))
    assert answer.content_type == "application/problem+json"
    assert answer.get_json() == {
        "type": "about:blank",
        "title": "Ceci a changé entre-temps" if _has_french() else answer.get_json()["title"],
        "status": 409,
        "detail": "Someone joined.",
        "joined": ["Zoé"],
    }


def test_a_bug_says_nothing_but_a_reference(client: FlaskClient) -> None:
    answer = client.get("/fails/bug", headers=who("admin"))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert re.fullmatch(r"[\w-]{8}", answer.get_json()["reference"])


def test_a_partner_reads_its_problem(client: FlaskClient) -> None:
    answer = client.get("/fails/gap", headers=who("admin"))
    document = answer.get_json()
    assert (answer.status_code, document["expected"]) == (409, 3)
    assert document["type"].endswith("#sequence-gap")


@pytest.mark.parametrize(("how", "after"), [("busy", "3"), ("rate", "7")])
def test_says_when_to_try_again(client: FlaskClient, how: str, after: str) -> None:
    assert client.get(f"/fails/{how}", headers=who("admin")).headers["Retry-After"] == after


def test_a_page_error_is_a_page_or_at_least_a_sentence(client: FlaskClient) -> None:
    answer = client.get("/nowhere", headers=BROWSER)
    assert answer.status_code == 404
    assert "json" not in answer.content_type


def test_an_error_of_the_api_is_a_problem_even_for_a_browser(client: FlaskClient) -> None:
    assert client.get("/api/v1/nowhere", headers=BROWSER).content_type == "application/problem+json"


def test_a_body_that_is_too_large_is_refused(client: FlaskClient, app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert client.post("/open", data={"x": "y" * 100}).status_code == 413


def test_the_api_describes_itself(client: FlaskClient) -> None:
    document: Any = client.get("/api/v1/openapi.json").get_json()
    assert document["openapi"].startswith("3.")
    assert "Problem" in document["components"]["schemas"]


def test_the_viewer_is_gone_after_the_request(client: FlaskClient, app: Flask) -> None:
    client.get("/member", headers=who("session"))
    with app.app_context():
        assert "viewer" not in g


def _has_french() -> bool:
    from node.core.i18n import CATALOGUES

    catalogue = CATALOGUES / "fr" / "LC_MESSAGES" / "messages.mo"
    return catalogue.exists() and "Ceci a changé entre-temps".encode() in catalogue.read_bytes()
