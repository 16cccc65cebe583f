"""Terraform for AWS, without an account: arguments against the providers' schemas, references, and policies."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.leaving_out import leave_out

AWS = Path(__file__).parents[3] / "infra" / "aws"
TERRAFORM = shutil.which("terraform")
DIGEST = "sha256:" + "ab" * 32
ACCOUNT = "123456789012"
INPUTS = {
    "name": "grid",
    "region": "eu-central-1",
    "partition": "aws",
    "account_id": ACCOUNT,
    "image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/grid@{DIGEST}",
    "collector_image": f"public.ecr.aws/aws-observability/aws-otel-collector@{DIGEST}",
    "host": "grid.example.org",
    "bucket": f"grid-artifacts-{ACCOUNT}",
    "kms_key_arn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1",
    "database_address": "grid.abc.eu-central-1.rds.amazonaws.com",
    "database_secret_arn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:rds-1",
    "redis_address": "master.grid.abc.euc1.cache.amazonaws.com",
    "redis_secret_arn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:grid/redis-1",
    "signing_secret_arn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:grid/signing-key-1",
}


@pytest.fixture(scope="module")
def checks():
    spec = importlib.util.spec_from_file_location("check_terraform", AWS / "checks" / "check.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["check_terraform"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def resources(checks):
    """Every resource, by type; names of modules do not matter here."""
    found: dict[str, list[dict]] = {}
    for module in checks.read_all().values():
        for (kind, _), body in module.resources.items():
            found.setdefault(kind, []).append(body)
    return found


def one(resources, kind) -> dict:
    (body,) = resources[kind]
    return body


def test_every_argument_block_and_reference_is_one_that_there_is(checks):
    assert checks.find_problems() == []
    assert sum(len(module.resources) for module in checks.read_all().values()) > 60


BROKEN = """
variable "used" {{ type = string }}
variable "unused" {{ type = string }}
resource "aws_s3_bucket" "a" {{ bucket = var.used }}
resource "aws_s3_bucket_versioning" "a" {{
  {body}
}}
output "o" {{ value = {output} }}
"""
RIGHT = 'bucket = aws_s3_bucket.a.id\nversioning_configuration {\nstatus = "Enabled"\n}'


@pytest.mark.parametrize(
    ("body", "output", "words"),
    [
        (RIGHT, "var.unused", []),
        (RIGHT, '"x"', ["var.unused is not used"]),
        (RIGHT, "join(var.unused, [var.missing])", ["var.missing is not declared"]),
        (RIGHT, "[var.unused, local.missing]", ["local.missing is not declared"]),
        (RIGHT, "[var.unused, aws_s3_bucket.b.id]", ["aws_s3_bucket.b is not there"]),
        (RIGHT, "[var.unused, aws_s3_bucket.a.colour]", ["has no attribute colour"]),
        (RIGHT, "[var.unused, module.b.c]", ["module.b.c is not there"]),
        ("bucket = var.unused", '"x"', ["versioning_configuration is missing"]),
        (RIGHT + '\ncolour = "red"', "var.unused", ["colour is not an argument"]),
        (RIGHT.replace("status", "state"), "var.unused", ["state is not an argument", "status is missing"]),
        (RIGHT + '\nmfa {\nx = "y"\n}', "var.unused", ["mfa is an argument, not a block"]),
    ],
)
def test_what_is_wrong_is_told(checks, tmp_path, body, output, words):
    (tmp_path / "main.tf").write_text(BROKEN.format(body=body, output=output))

    problems = checks.find_problems(tmp_path)
    assert len(problems) == len(words), problems
    assert all(any(word in problem for problem in problems) for word in words)


def test_calls_of_modules_are_held_against_their_variables(checks, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "main.tf").write_text('variable "a" {}\noutput "o" { value = var.a }')
    (tmp_path / "main.tf").write_text(
        'module "x" {\n  source = "./inner"\n  b = 1\n}\noutput "p" { value = module.x.q }\n'
    )

    problems = sorted(problem.partition(": ")[2] for problem in checks.find_problems(tmp_path))
    assert problems == ["module.x lacks a", "module.x takes no b", "module.x.q is not there"]


def test_data_at_rest_is_encrypted_by_one_key_that_is_renewed(resources):
    assert one(resources, "aws_kms_key")["enable_key_rotation"] is True
    database, redis = one(resources, "aws_db_instance"), one(resources, "aws_elasticache_replication_group")
    assert (database["storage_encrypted"], database["kms_key_id"]) == (True, "${var.kms_key_arn}")
    assert (redis["at_rest_encryption_enabled"], redis["kms_key_id"]) == (True, "${var.kms_key_arn}")
    (rule,) = one(resources, "aws_s3_bucket_server_side_encryption_configuration")["rule"]
    assert rule["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == '"aws:kms"'
    assert all(
        "kms_key_id" in body
        for kind in ("aws_secretsmanager_secret", "aws_cloudwatch_log_group")
        for body in resources[kind]
    )
    for template in resources["aws_launch_template"]:
        assert all(disk["ebs"][0]["encrypted"] is True for disk in template["block_device_mappings"])


def test_what_travels_is_encrypted(resources):
    parameters = {p["name"]: p["value"] for p in one(resources, "aws_db_parameter_group")["parameter"]}
    assert parameters['"rds.force_ssl"'] == '"1"'
    redis = one(resources, "aws_elasticache_replication_group")
    assert (redis["transit_encryption_enabled"], redis["transit_encryption_mode"]) == (True, '"required"')
    assert redis["auth_token"] == "${var.auth_token}"
    listener = one(resources, "aws_lb_listener")
    assert (listener["protocol"], listener["port"]) == ('"HTTPS"', 443)
    assert "TLS13" in listener["ssl_policy"]


def test_the_database_outlives_a_zone_and_a_mistake(resources):
    database = one(resources, "aws_db_instance")

    assert database["multi_az"] is True
    assert database["backup_retention_period"] >= 7
    assert (database["deletion_protection"], database["skip_final_snapshot"]) == (
        "${var.is_protected}",
        "${!var.is_protected}",
    )
    assert database["engine_version"] == '"16"'
    assert database["manage_master_user_password"] is True
    assert "password" not in database


def test_redis_keeps_messages_and_is_no_cluster(resources):
    redis = one(resources, "aws_elasticache_replication_group")
    parameters = {p["name"]: p["value"] for p in one(resources, "aws_elasticache_parameter_group")["parameter"]}

    assert redis["cluster_mode"] == '"disabled"'
    assert redis["automatic_failover_enabled"] is True
    assert parameters['"maxmemory-policy"'] == '"noeviction"'


def test_nothing_but_the_load_balancer_is_public(resources):
    assert one(resources, "aws_db_instance")["publicly_accessible"] is False
    assert all(subnet.get("map_public_ip_on_launch", False) is False for subnet in resources["aws_subnet"])
    block = one(resources, "aws_s3_bucket_public_access_block")
    names = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    assert [block[name] for name in names] == [True] * 4
    for service in resources["aws_ecs_service"]:
        assert service["network_configuration"][0].get("assign_public_ip", False) is False
    open_to_all = [rule for rule in resources["aws_vpc_security_group_ingress_rule"] if "0.0.0.0/0" in str(rule)]
    assert open_to_all == []
    assert all("ingress" not in group and "egress" not in group for group in resources["aws_security_group"])
    assert set(one(resources, "aws_default_security_group")) - {"__is_block__"} == {"vpc_id"}


def test_machines_keep_their_role_from_containers(resources):
    for template in resources["aws_launch_template"]:
        (options,) = template["metadata_options"]
        assert (options["http_tokens"], options["http_put_response_hop_limit"]) == ('"required"', 1)
    script = (AWS / "modules" / "service_ecs" / "host.sh.tftpl").read_text()
    assert "ECS_AWSVPC_BLOCK_IMDS=true" in script
    assert "666" not in script
    assert "u:10001:rw" in script


def test_policies_of_aws_are_those_of_hosts_and_clusters_alone(resources):
    attached = {
        str(body["policy_arn"]).rpartition("/")[2].strip('"}') for body in resources["aws_iam_role_policy_attachment"]
    }

    assert not any("Admin" in name or "FullAccess" in name or "PowerUser" in name for name in attached)


# -- what the module without providers renders, by Terraform itself ----------------------------------------------------


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("render") / "rendering"
    shutil.copytree(AWS / "modules" / "rendering", folder, ignore=shutil.ignore_patterns(".terraform*"))
    (folder / "terraform.tfvars.json").write_text(json.dumps(INPUTS))
    terraform(folder, "init", "-input=false", "-backend=false")
    terraform(folder, "validate")
    terraform(folder, "apply", "-auto-approve", "-input=false")
    outputs = json.loads(terraform(folder, "output", "-json"))
    return {name: output["value"] for name, output in outputs.items()}


def terraform(folder: Path, *arguments: str) -> str:
    if TERRAFORM is None:
        leave_out("no terraform is on the path")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    done = subprocess.run(
        [TERRAFORM, f"-chdir={folder}", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_are_laid_out_as_terraform_lays_them_out():
    terraform(AWS, "fmt", "-check", "-recursive")


def test_containers_are_what_ecs_takes(rendered):
    """Held against the service's own model, which botocore carries: names, types and what is required."""
    import botocore.session
    from botocore.validate import ParamValidator

    shape = (
        botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    )
    for role in ("web", "worker"):
        definition = {"family": f"grid-{role}", "containerDefinitions": json.loads(rendered[f"{role}_containers"])}
        assert ParamValidator().validate(definition, shape).generate_report() == ""
        wrong = {**definition, "containerDefinitions": [{**definition["containerDefinitions"][0], "colour": "red"}]}
        assert "colour" in ParamValidator().validate(wrong, shape).generate_report()


def test_containers_run_as_nobody_by_digest_and_hold_no_secret(rendered):
    for role in ("web", "worker"):
        own, collector = json.loads(rendered[f"{role}_containers"])
        assert own["image"].endswith(DIGEST)
        assert collector["image"].endswith(DIGEST)
        assert (own["user"], own["readonlyRootFilesystem"]) == ("10001:10001", True)
        assert own["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert "privileged" not in own
        environment = {each["name"]: each["value"] for each in own["environment"]}
        assert all("{password}" in environment[name] for name in ("DATABASE_URL", "REDIS_URL"))
        assert "sslmode=verify-full" in environment["DATABASE_URL"]
        assert environment["REDIS_URL"].startswith("rediss://")
        assert environment["GRID_ARTIFACTS_URL"] == f"s3://{INPUTS['bucket']}/artifacts"
        secrets = {each["name"]: each["valueFrom"] for each in own["secrets"]}
        assert secrets["DATABASE_PASSWORD"] == f"{INPUTS['database_secret_arn']}:password::"
        assert ("GRID_SECRET_KEY" in secrets) is (role == "web")


def test_the_worker_alone_sees_the_engine_and_has_time_to_drain(rendered):
    web, worker = (json.loads(rendered[f"{role}_containers"])[0] for role in ("web", "worker"))

    assert "docker.sock" not in json.dumps(web)
    folders = {point["sourceVolume"]: point["containerPath"] for point in worker["mountPoints"]}
    environment = {each["name"]: each["value"] for each in worker["environment"]}
    assert folders["data"] == environment["GRID_HOME"] == "/var/lib/grid/worker"
    assert environment["GRID_RUNNER"] == "docker"
    assert worker["stopTimeout"] == 120
    services = (AWS / "modules" / "service_ecs" / "services.tf").read_text()
    assert f'host_path = "{folders["data"]}"' in services


def statements(rendered) -> dict[str, list[dict]]:
    policies = {name: rendered[name] for name in ("web_policy", "worker_policy")}
    policies |= {f"start_{role}": text for role, text in rendered["execution_policy"].items()}
    return {name: json.loads(text)["Statement"] for name, text in policies.items()}


def test_policies_allow_named_actions_on_named_resources(rendered):
    without_resource = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "ecr:GetAuthorizationToken"}
    for name, found in statements(rendered).items():
        for statement in found:
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in statement["Action"]), name
            if "*" in statement["Resource"]:
                assert set(statement["Action"]) <= without_resource, name
            assert all(
                one == "*" or ACCOUNT in one or one.startswith("arn:aws:s3:::grid-artifacts")
                for one in statement["Resource"]
            )


def test_no_role_may_read_more_secrets_than_its_own(rendered):
    read = {
        name: {one for s in found for one in s["Resource"] if "secretsmanager:GetSecretValue" in s["Action"]}
        for name, found in statements(rendered).items()
    }
    assert read["web_policy"] == read["worker_policy"] == set()
    assert INPUTS["signing_secret_arn"] in read["start_web"]
    assert INPUTS["signing_secret_arn"] not in read["start_worker"]


def test_the_bucket_refuses_whoever_uses_no_tls_or_another_key(rendered):
    tls, key = json.loads(rendered["bucket_policy"])["Statement"]

    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    assert key["Condition"] == {"Null": {header: "false"}, "StringNotEquals": {header: INPUTS["kms_key_arn"]}}


def test_the_collector_reports_what_alarms_and_scaling_read(rendered):
    collector = json.loads(rendered["web_containers"])[1]
    config = collector["environment"][0]["value"]
    (selector,) = re.findall(r"\^grid_\(([^)]*)\)\$", config)
    read = set(re.findall(r'"(grid_\w+)"', (AWS / "modules" / "observability" / "main.tf").read_text()))
    read |= set(
        re.findall(r'metric_name = "(grid_\w+)"', (AWS / "modules" / "service_ecs" / "services.tf").read_text())
    )

    assert read <= {f"grid_{name}" for name in selector.split("|")}
    assert "grid_queue_depth" in read
