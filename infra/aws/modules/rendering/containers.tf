# Container definitions of ECS. No secret is in them: ECS reads each from Secrets Manager when a task starts, and the
# image's entry point puts the passwords into the addresses, where they say {password}.

locals {
  data_folder = "/var/lib/grid/worker"
  home        = "/var/lib/grid/home"

  environment = {
    DATABASE_URL                = "postgresql://grid:{password}@${var.database_address}:5432/physics_sim?sslmode=verify-full&sslrootcert=/etc/grid/rds.pem"
    REDIS_URL                   = "rediss://:{password}@${var.redis_address}:6379/0"
    GRID_ARTIFACTS_URL          = "s3://${var.bucket}/artifacts"
    AWS_REGION                  = var.region
    OTEL_SERVICE_NAME           = var.name
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4317"
    GRID_BELL                   = "celery"
    LOG_LEVEL                   = "INFO"
  }

  web_environment = merge(local.environment, {
    GRID_HOST          = "0.0.0.0"
    GRID_EXPOSE        = "true"
    GRID_ALLOWED_HOSTS = var.host
    GRID_KERNEL_CACHE  = "${local.home}/cache/kernels"
    GRID_CALIBRATION   = "${local.home}/cache/calibration"
    TMPDIR             = local.home
  })

  worker_environment = merge(local.environment, {
    HOME               = local.data_folder
    GRID_HOME          = local.data_folder
    GRID_RUNNER        = "docker"
    GRID_COMPILE_AHEAD = "true"
    GRID_KERNEL_CACHE  = "${local.data_folder}/cache/kernels"
    GRID_CALIBRATION   = "${local.data_folder}/cache/calibration"
    TMPDIR             = local.data_folder
    DOCKER_HOST        = "unix:///var/run/docker.sock"
  })

  secrets = {
    DATABASE_PASSWORD = "${var.database_secret_arn}:password::"
    REDIS_PASSWORD    = var.redis_secret_arn
  }

  # Traces go to X-Ray, metrics to CloudWatch, where alarms and the scaling of workers find them.
  collector_config = yamlencode({
    receivers  = { otlp = { protocols = { grpc = { endpoint = "127.0.0.1:4317" } } } }
    processors = { batch = {} }
    exporters = {
      awsxray = { region = var.region }
      awsemf = {
        region                  = var.region
        namespace               = "Grid"
        log_group_name          = "/${var.name}/metrics"
        dimension_rollup_option = "NoDimensionRollup"
        metric_declarations = [{
          dimensions            = [["service.name"]]
          metric_name_selectors = ["^grid_(queue_depth|workers|database_up|outbox_backlog|leases_expired_total)$"]
        }]
        resource_to_telemetry_conversion = { enabled = true }
      }
    }
    service = {
      pipelines = {
        traces  = { receivers = ["otlp"], processors = ["batch"], exporters = ["awsxray"] }
        metrics = { receivers = ["otlp"], processors = ["batch"], exporters = ["awsemf"] }
      }
    }
  })
}

locals {
  logging = { for role in ["web", "worker"] : role => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = "/${var.name}/${role}"
      awslogs-region        = var.region
      awslogs-stream-prefix = role
    }
  } }

  collector = { for role in ["web", "worker"] : role => {
    name             = "collector"
    image            = var.collector_image
    essential        = false
    environment      = [{ name = "AOT_CONFIG_CONTENT", value = local.collector_config }]
    logConfiguration = local.logging[role]
  } }

  web = {
    name                   = "web"
    image                  = var.image
    essential              = true
    command                = ["grid", "serve"]
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"], add = [] } }
    stopTimeout            = 60
    portMappings           = [{ containerPort = 8000, hostPort = 8000, protocol = "tcp" }]
    environment            = [for name in sort(keys(local.web_environment)) : { name = name, value = local.web_environment[name] }]
    secrets = [for name, source in merge(local.secrets, { GRID_SECRET_KEY = var.signing_secret_arn }) :
      { name = name, valueFrom = source }
    ]
    mountPoints = [
      { sourceVolume = "home", containerPath = local.home, readOnly = false },
    ]
    healthCheck = {
      command     = ["CMD", "python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/live', timeout=2)"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 90
    }
    logConfiguration = local.logging["web"]
  }

  worker = {
    name                   = "worker"
    image                  = var.image
    essential              = true
    command                = ["celery", "-A", "grid.tasks.celery_app", "worker", "--loglevel", "info"]
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"], add = [] } }
    stopTimeout            = 120 # longer than a drain, which takes 45 s at most
    environment            = [for name in sort(keys(local.worker_environment)) : { name = name, value = local.worker_environment[name] }]
    secrets                = [for name, source in local.secrets : { name = name, valueFrom = source }]
    mountPoints = [
      # The same path within and without: containers of jobs mount folders of it, by the name that the host knows.
      { sourceVolume = "data", containerPath = local.data_folder, readOnly = false },
      { sourceVolume = "engine", containerPath = "/var/run/docker.sock", readOnly = false },
    ]
    logConfiguration = local.logging["worker"]
  }
}

output "web_containers" {
  description = "Containers of a server, as JSON"
  value       = jsonencode([local.web, local.collector["web"]])
}

output "worker_containers" {
  description = "Containers of a worker, as JSON"
  value       = jsonencode([local.worker, local.collector["worker"]])
}
