"""The documentation: every byte from this server, and a document that says what the routes do."""

import re

import pytest

from grid.api import docs
from grid.api.problems import MEDIA_TYPE
from grid.schemas.jobs import JobStatus


@pytest.fixture
def document(anonymous) -> dict:
    return anonymous.get("/openapi.json").json()


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [(path, method, one) for path, item in document["paths"].items() for method, one in item.items()]


def test_the_page_names_only_files_of_this_server_and_all_of_them_are_there(anonymous):
    page = anonymous.get("/docs")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert len(links) == 4
    for link in links:
        assert link.startswith("/docs/")
        file = anonymous.get(link)
        assert file.status_code == 200
        assert file.headers["content-type"].split(";")[0] in {"text/javascript", "text/css", "image/png"}
        assert len(file.content) > 100
    assert "://" not in page.text + docs.START


def test_the_policy_of_the_page_lets_its_own_files_work_and_nothing_else(anonymous):
    policy = anonymous.get("/docs").headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert "<script>" not in docs.PAGE
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2f__init__.py", "nothing.js"])
def test_no_other_file_is_served(anonymous, name):
    assert anonymous.get(f"/docs/assets/{name}").status_code == 404


def test_operations_have_clean_names_each_its_own(document):
    names = [one["operationId"] for _, _, one in operations(document)]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names


def test_every_operation_has_a_summary_a_tag_and_the_answers_of_the_front_door(document):
    for path, method, one in operations(document):
        assert one["summary"], path
        assert len(one["tags"]) == 1, path
        assert {"400", "403", "421", "500", "503"} <= set(one["responses"]), (path, method)
        if "requestBody" in one:
            assert {"413", "415", "422"} <= set(one["responses"]), (path, method)
        if "security" in one:
            assert "401" in one["responses"], (path, method)


def test_everything_but_health_and_login_needs_a_token(document):
    public = {path for path, _, one in operations(document) if "security" not in one}
    by_cookie = {f"/api/v1/auth/web/{what}" for what in ("link", "login", "refresh", "logout")}
    by_the_address_itself = {"/api/v1/downloads/{token}"}

    assert public - by_cookie - by_the_address_itself == {
        "/health", "/live", "/ready", "/metrics", "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/proof"
    }  # fmt: skip


def test_every_error_is_a_problem_in_the_document(document):
    for path, _, one in operations(document):
        for status, given in one["responses"].items():
            name = given.get("$ref", "").rpartition("/")[2]
            answer = document["components"]["responses"][name] if name else given
            if status >= "400" and (path, status) not in {("/ready", "503"), ("/health", "503")}:
                assert list(answer["content"]) == [MEDIA_TYPE], (path, status)
    assert "HTTPValidationError" not in str(document)
    assert "ValidationError" not in document["components"]["schemas"]


def test_every_reference_leads_somewhere(document):
    def follow(reference: str) -> None:
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]

    found = re.findall(r"'\$ref': '([^']+)'", str(document))
    assert found
    for reference in found:
        follow(reference)


def test_a_typed_client_finds_bodies_counts_and_schemas_by_name(document):
    schemas = document["components"]["schemas"]
    submit = document["paths"]["/api/v1/jobs"]["post"]

    body = submit["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/SubmissionIn"}
    assert {"params", "sweep", "metadata"} <= set(schemas["SubmissionIn"]["properties"])
    assert set(submit["responses"]) >= {"200", "202"}
    for counts in (schemas["JobStats"], schemas["SweepOut"]):
        assert set(counts["properties"]["by_status"]["properties"]) == set(JobStatus)
    parameters = schemas["SimulationOut"]["properties"]["parameters"]
    assert parameters["properties"]["properties"]["additionalProperties"]["properties"]["unit"] == {"type": "string"}
    for path in ("/api/v1/jobs", "/api/v1/sweeps"):
        names = {one["name"] for one in document["paths"][path]["get"]["parameters"]}
        assert {"label", "status", "reason", "verdict", "created_from", "q", "after", "limit"} <= names
