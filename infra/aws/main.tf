# A Grid installation on AWS. README_AWS.md says what each part is for, what it costs, and how it is taken down.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  is_ecs = var.orchestrator == "ecs"
}

module "network" {
  source = "./modules/network"

  name          = var.name
  region        = var.region
  vpc_cidr      = var.vpc_cidr
  zones         = var.zones
  allowed_cidrs = var.allowed_cidrs
}

module "secrets" {
  source = "./modules/secrets"

  name         = var.name
  is_protected = var.is_protected
  key_policy   = module.key.policy
}

# Apart from the other texts, which name the key that this is the policy of.
module "key" {
  source = "./modules/rendering/key"

  name       = var.name
  region     = var.region
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id
}

module "database" {
  source = "./modules/database"

  name              = var.name
  class             = var.database_class
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.database_security_group_id
  kms_key_arn       = module.secrets.kms_key_arn
  is_protected      = var.is_protected
}

module "redis" {
  source = "./modules/redis"

  name              = var.name
  class             = var.redis_class
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.redis_security_group_id
  kms_key_arn       = module.secrets.kms_key_arn
  auth_token        = module.secrets.redis_token
}

module "storage" {
  source = "./modules/storage"

  name          = var.name
  account_id    = data.aws_caller_identity.current.account_id
  kms_key_arn   = module.secrets.kms_key_arn
  policy_json   = module.rendering.bucket_policy
  force_destroy = !var.is_protected
}

# Before the services, which write into them and may not make them.
resource "aws_cloudwatch_log_group" "main" {
  for_each = toset(["web", "worker", "metrics"])

  name              = "/${var.name}/${each.key}"
  retention_in_days = 90
  kms_key_id        = module.secrets.kms_key_arn
}

module "observability" {
  source = "./modules/observability"

  name                 = var.name
  database_identifier  = module.database.identifier
  redis_group_id       = module.redis.replication_group_id
  load_balancer_suffix = local.is_ecs ? module.service_ecs[0].load_balancer_suffix : null
  alarm_topic_arn      = var.alarm_topic_arn
}

# Texts alone, without a provider: task definitions and policies, tried by tests that need no account.
module "rendering" {
  source = "./modules/rendering"

  name                = var.name
  region              = var.region
  partition           = data.aws_partition.current.partition
  account_id          = data.aws_caller_identity.current.account_id
  image               = var.image
  collector_image     = var.collector_image
  host                = var.host
  bucket              = "${var.name}-artifacts-${data.aws_caller_identity.current.account_id}"
  kms_key_arn         = module.secrets.kms_key_arn
  database_address    = module.database.address
  database_secret_arn = module.database.secret_arn
  redis_address       = module.redis.address
  redis_secret_arn    = module.secrets.redis_secret_arn
  signing_secret_arn  = module.secrets.signing_secret_arn
}

module "service_ecs" {
  source     = "./modules/service_ecs"
  count      = local.is_ecs ? 1 : 0
  depends_on = [aws_cloudwatch_log_group.main]

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  public_subnet_ids        = module.network.public_subnet_ids
  private_subnet_ids       = module.network.private_subnet_ids
  balancer_group_id        = module.network.balancer_security_group_id
  web_group_id             = module.network.web_security_group_id
  worker_group_id          = module.network.worker_security_group_id
  certificate_arn          = var.certificate_arn
  web_containers           = module.rendering.web_containers
  worker_containers        = module.rendering.worker_containers
  execution_policy         = module.rendering.execution_policy
  web_policy               = module.rendering.web_policy
  worker_policy            = module.rendering.worker_policy
  tasks_assume_role_policy = module.rendering.tasks_assume_role_policy
  hosts_assume_role_policy = module.rendering.hosts_assume_role_policy
  instance_type            = var.worker_instance_type
  workers                  = var.workers
  web_tasks                = var.web_tasks
  is_protected             = var.is_protected
}

module "service_eks" {
  source = "./modules/service_eks"
  count  = local.is_ecs ? 0 : 1

  name                        = var.name
  private_subnet_ids          = module.network.private_subnet_ids
  kms_key_arn                 = module.secrets.kms_key_arn
  instance_type               = var.worker_instance_type
  workers                     = var.workers
  allowed_cidrs               = var.allowed_cidrs
  web_policy                  = module.rendering.web_policy
  worker_policy               = module.rendering.worker_policy
  cluster_assume_role_policy  = module.rendering.cluster_assume_role_policy
  hosts_assume_role_policy    = module.rendering.hosts_assume_role_policy
  identity_assume_role_policy = module.rendering.identity_assume_role_policy
}
