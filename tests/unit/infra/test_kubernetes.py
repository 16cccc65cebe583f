"""Manifests for Kubernetes: fields that there are, what pods may do, and references between them."""

import json
from pathlib import Path

import pytest
import yaml

AWS = Path(__file__).parents[3] / "infra" / "aws"
BASE, PRODUCTION = AWS / "kubernetes" / "base", AWS / "kubernetes" / "overlays" / "production"
SCHEMA = json.loads((AWS / "checks" / "kubernetes.json").read_text(encoding="utf-8"))


def read(folder: Path) -> list[dict]:
    files = [file for file in sorted(folder.glob("*.yaml")) if file.name != "kustomization.yaml"]
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def find_unknown(value: object, kind: str, where: str, *, is_patch: bool = False) -> list[str]:
    """Return fields that a type does not have, and required ones that are missing."""
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    types = SCHEMA["types"][kind]
    problems = [f"{where}.{name}: no such field" for name in value.keys() - types.keys()]
    if not is_patch:
        problems += [f"{where}.{name}: missing" for name, (*_, needed) in types.items() if needed and name not in value]
    for name, inner in value.items():
        shape, of, _ = types.get(name, (None, None, False))
        if of is not None:
            parts = {"one": lambda v: {"": v}, "list": lambda v: dict(enumerate(v)), "dict": lambda v: v}[shape](inner)
            for key, part in parts.items():
                problems += find_unknown(part, of, f"{where}.{name}{key}", is_patch=is_patch)
    return problems


def kind_of(document: dict) -> str:
    return SCHEMA["kinds"][f"{document['apiVersion']} {document['kind']}"]


@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=["base", "production"])
def test_every_field_is_one_that_kubernetes_has(folder):
    documents = read(folder)
    patches = {file["path"] for file in kustomization(folder).get("patches", [])}

    assert len(documents) > 2
    for document in documents:
        is_patch = bool(patches) and document["kind"] in {"ConfigMap", "Deployment"}
        assert find_unknown(document, kind_of(document), document["kind"], is_patch=is_patch) == []


def test_what_is_wrong_in_a_manifest_is_told():
    web = next(each for each in read(BASE) if each["kind"] == "Deployment")
    web["spec"]["template"]["spec"]["containers"][0]["colour"] = "red"
    del web["spec"]["selector"]

    assert sorted(find_unknown(web, kind_of(web), "web")) == [
        "web.spec.selector: missing",
        "web.spec.template.spec.containers0.colour: no such field",
    ]


def kustomization(folder: Path) -> dict:
    return yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))


def test_kustomizations_name_every_file_and_no_other():
    for folder in (BASE, PRODUCTION):
        kustom = kustomization(folder)
        named = {*kustom["resources"], *(patch["path"] for patch in kustom.get("patches", []))} - {"../../base"}
        assert named == {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    (image,) = kustomization(PRODUCTION)["images"]
    assert image["digest"].startswith("sha256:")


def deployments() -> dict[str, dict]:
    return {each["metadata"]["name"]: each["spec"] for each in read(BASE) if each["kind"] == "Deployment"}


@pytest.mark.parametrize("name", ["web", "worker"])
def test_pods_run_as_nobody_and_write_to_their_volumes_alone(name):
    spec = deployments()[name]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]

    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert not any("hostPath" in volume for volume in pod["volumes"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_probes_ask_what_they_are_for_by_a_name_that_the_server_knows():
    (container,) = deployments()["web"]["template"]["spec"]["containers"]
    asked = {name: container[name]["httpGet"] for name in ("readinessProbe", "livenessProbe", "startupProbe")}

    assert {name: probe["path"] for name, probe in asked.items()} == {
        "readinessProbe": "/ready",
        "livenessProbe": "/live",
        "startupProbe": "/live",
    }
    assert all(probe["httpHeaders"] == [{"name": "Host", "value": "localhost"}] for probe in asked.values())


def test_passwords_come_from_the_secret_and_workers_have_no_signing_key():
    keys = {
        name: {
            one["name"]: one["valueFrom"]["secretKeyRef"]["key"]
            for one in spec["template"]["spec"]["containers"][0]["env"]
            if "valueFrom" in one
        }
        for name, spec in deployments().items()
    }
    assert keys["web"].keys() - keys["worker"].keys() == {"GRID_SECRET_KEY"}
    for folder in (BASE, PRODUCTION):
        (config,) = [each["data"] for each in read(folder) if each["kind"] == "ConfigMap"]
        assert all("{password}" in config[name] for name in ("DATABASE_URL", "REDIS_URL"))


def test_a_worker_runs_no_images_and_has_time_to_drain():
    pod = deployments()["worker"]["template"]["spec"]
    environment = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}

    assert environment["GRID_RUNNER"] == "local"
    assert pod["terminationGracePeriodSeconds"] > 45
