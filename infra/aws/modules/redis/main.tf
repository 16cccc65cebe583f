# Redis with TLS and a password; it carries messages that may be lost. Cluster mode is off: Celery's keys cross slots.

variable "name" { type = string }
variable "class" { type = string }
variable "subnet_ids" { type = list(string) }
variable "security_group_id" { type = string }
variable "kms_key_arn" { type = string }

variable "auth_token" {
  type      = string
  sensitive = true
}

resource "aws_elasticache_subnet_group" "main" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "main" {
  name   = "${var.name}-redis7"
  family = "redis7"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "main" {
  replication_group_id       = var.name
  description                = "Bell and messages of ${var.name}"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.class
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  multi_az_enabled           = true
  cluster_mode               = "disabled"
  port                       = 6379
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = [var.security_group_id]
  parameter_group_name       = aws_elasticache_parameter_group.main.name
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = var.auth_token
  snapshot_retention_limit   = 1
  apply_immediately          = false
}

output "replication_group_id" { value = aws_elasticache_replication_group.main.id }
output "address" { value = aws_elasticache_replication_group.main.primary_endpoint_address }
