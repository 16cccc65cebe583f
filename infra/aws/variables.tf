variable "name" {
  description = "Name of the installation, the beginning of every resource's name"
  type        = string
  default     = "grid"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name has to be 2 to 20 characters of a-z, 0-9 and -, the first a letter."
  }
}

variable "region" {
  description = "Region of AWS"
  type        = string
  default     = "eu-central-1"
}

variable "orchestrator" {
  description = "What runs the containers: ecs (jobs in Docker, on machines of your own) or eks (built-in simulations alone)"
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "eks"], var.orchestrator)
    error_message = "orchestrator has to be ecs or eks."
  }
}

variable "image" {
  description = "Image of the service by digest, as in 123456789012.dkr.ecr.eu-central-1.amazonaws.com/grid@sha256:..."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image has to name a digest: REPOSITORY@sha256:64 hexadecimal digits. A tag can be moved."
  }
}

variable "collector_image" {
  description = "Image of the OpenTelemetry collector by digest (public.ecr.aws/aws-observability/aws-otel-collector)"
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@sha256:[0-9a-f]{64}$", var.collector_image))
    error_message = "collector_image has to name a digest: REPOSITORY@sha256:64 hexadecimal digits."
  }
}

variable "host" {
  description = "Name by which people reach the service; the certificate is for it"
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of ACM for that name"
  type        = string
}

variable "allowed_cidrs" {
  description = "Networks that may reach the load balancer"
  type        = list(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs has to name one network or more, as in 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the network that is made"
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Availability zones"
  type        = number
  default     = 2

  validation {
    condition     = var.zones >= 2 && var.zones <= 3
    error_message = "zones has to be 2 or 3."
  }
}

variable "database_class" {
  description = "Machine of the database"
  type        = string
  default     = "db.t4g.medium"
}

variable "redis_class" {
  description = "Machine of Redis, which holds messages alone"
  type        = string
  default     = "cache.t4g.micro"
}

variable "worker_instance_type" {
  description = "Machine of a worker"
  type        = string
  default     = "c7i.xlarge"
}

variable "workers" {
  description = "Fewest and most workers"
  type        = object({ least = number, most = number })
  default     = { least = 1, most = 10 }

  validation {
    condition     = var.workers.least >= 1 && var.workers.most >= var.workers.least
    error_message = "workers.least has to be 1 or more, workers.most no less than that."
  }
}

variable "web_tasks" {
  description = "Servers"
  type        = number
  default     = 2
}

variable "alarm_topic_arn" {
  description = "Topic of SNS that alarms go to; null: nowhere"
  type        = string
  default     = null
}

variable "is_protected" {
  description = "Refuse to delete the database and what is in the bucket; set false before a tear-down"
  type        = bool
  default     = true
}
