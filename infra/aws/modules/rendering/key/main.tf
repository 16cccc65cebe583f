# The policy of the key: the account decides by its own policies who uses it, and CloudWatch encrypts this installation's logs.

variable "name" { type = string }
variable "region" { type = string }
variable "partition" { type = string }
variable "account_id" { type = string }

output "policy" {
  description = "Policy of the key, as JSON"
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
        Action    = ["kms:*"]
        Resource  = ["*"] # of a key's own policy: this key
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = ["*"]
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/${var.name}/*"
          }
        }
      },
    ]
  })
}
