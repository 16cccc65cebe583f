# Policies: each role may do what it needs, to the resources of this installation alone.

locals {
  bucket_arn = "arn:${var.partition}:s3:::${var.bucket}"
  secrets_of = {
    web    = [var.database_secret_arn, var.redis_secret_arn, var.signing_secret_arn]
    worker = [var.database_secret_arn, var.redis_secret_arn]
  }
  log_groups = [for role in ["web", "worker", "metrics"] :
    "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/${var.name}/${role}:*"
  ]

  telemetry = [
    {
      Sid      = "Metrics"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = local.log_groups
    },
    {
      # X-Ray has no resources to name.
      Sid      = "Traces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = ["*"]
    },
  ]

  key_use = {
    Sid      = "Key"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = [var.kms_key_arn]
  }

  objects = {
    Sid      = "Objects"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    Resource = ["${local.bucket_arn}/artifacts/*"]
  }

  listing = {
    Sid       = "Listing"
    Effect    = "Allow"
    Action    = ["s3:ListBucket"]
    Resource  = [local.bucket_arn]
    Condition = { StringLike = { "s3:prefix" = ["artifacts/*"] } }
  }
}

output "web_policy" {
  description = "What a server may do"
  value       = jsonencode({ Version = "2012-10-17", Statement = concat([local.objects, local.listing, local.key_use], local.telemetry) })
}

output "worker_policy" {
  description = "What a worker may do; containers of jobs have no network, and get none of it"
  value       = jsonencode({ Version = "2012-10-17", Statement = concat([local.objects, local.listing, local.key_use], local.telemetry) })
}

output "execution_policy" {
  description = "What ECS may do to start a task, by the kind of task"
  value = { for role, arns in local.secrets_of : role => jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = arns },
      { Sid = "Key", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn] },
      { Sid = "Logs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = local.log_groups },
      {
        Sid      = "Images"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
        Resource = ["arn:${var.partition}:ecr:${var.region}:${var.account_id}:repository/*"]
      },
      # A token of the registry is the account's, and has no resource to name.
      { Sid = "Registry", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
    ]
  }) }
}

output "bucket_policy" {
  description = "Refuses whoever does not use TLS, and objects that are not encrypted by the key"
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "OwnKeyOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:PutObject"]
        Resource  = ["${local.bucket_arn}/*"]
        # Whoever names no key gets this one by the bucket's default; whoever names another is refused.
        Condition = {
          Null            = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = "false" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
        }
      },
    ]
  })
}

output "tasks_assume_role_policy" {
  description = "Tasks of this account may take the role"
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

output "hosts_assume_role_policy" {
  description = "Machines may take the role"
  value = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

output "cluster_assume_role_policy" {
  description = "EKS may take the role"
  value = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "eks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

output "identity_assume_role_policy" {
  description = "Pods may take the role, by EKS Pod Identity"
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}
