# One key for everything at rest, and the passwords that nobody types. That of the database is made by RDS itself.

variable "name" { type = string }
variable "is_protected" { type = bool }
variable "key_policy" { type = string }

resource "aws_kms_key" "main" {
  description             = "Data at rest of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = var.key_policy
}

resource "aws_kms_alias" "main" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.main.key_id
}

resource "random_password" "redis" {
  length  = 64
  special = false
}

resource "random_password" "signing" {
  length  = 64
  special = false
}

resource "aws_secretsmanager_secret" "redis" {
  name                    = "${var.name}/redis"
  description             = "Password of Redis"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = var.is_protected ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "redis" {
  secret_id     = aws_secretsmanager_secret.redis.id
  secret_string = random_password.redis.result
}

resource "aws_secretsmanager_secret" "signing" {
  name                    = "${var.name}/signing-key"
  description             = "GRID_SECRET_KEY, which signs access tokens"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = var.is_protected ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "signing" {
  secret_id     = aws_secretsmanager_secret.signing.id
  secret_string = random_password.signing.result
}

output "kms_key_arn" { value = aws_kms_key.main.arn }
output "redis_secret_arn" { value = aws_secretsmanager_secret.redis.arn }
output "signing_secret_arn" { value = aws_secretsmanager_secret.signing.arn }

output "redis_token" {
  value     = random_password.redis.result
  sensitive = true
}
