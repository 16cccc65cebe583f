# Servers on Fargate, workers on machines of their own, scaled by the queue.

resource "aws_iam_role" "execution" {
  for_each = var.execution_policy

  name               = "${var.name}-${each.key}-start"
  assume_role_policy = var.tasks_assume_role_policy
}

resource "aws_iam_role_policy" "execution" {
  for_each = var.execution_policy

  name   = "start"
  role   = aws_iam_role.execution[each.key].id
  policy = each.value
}

resource "aws_iam_role" "task" {
  for_each = { web = var.web_policy, worker = var.worker_policy }

  name               = "${var.name}-${each.key}"
  assume_role_policy = var.tasks_assume_role_policy
}

resource "aws_iam_role_policy" "task" {
  for_each = { web = var.web_policy, worker = var.worker_policy }

  name   = "run"
  role   = aws_iam_role.task[each.key].id
  policy = each.value
}

resource "aws_ecs_task_definition" "web" {
  family                   = "${var.name}-web"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = "1024"
  execution_role_arn       = aws_iam_role.execution["web"].arn
  task_role_arn            = aws_iam_role.task["web"].arn
  container_definitions    = var.web_containers

  volume {
    name = "home"
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.name}-worker"
  requires_compatibilities = ["EC2"]
  network_mode             = "awsvpc"
  cpu                      = "3072"
  memory                   = "6144"
  execution_role_arn       = aws_iam_role.execution["worker"].arn
  task_role_arn            = aws_iam_role.task["worker"].arn
  container_definitions    = var.worker_containers

  volume {
    name      = "data"
    host_path = "/var/lib/grid/worker"
  }

  volume {
    name      = "engine"
    host_path = "/run/docker.sock"
  }
}

resource "aws_ecs_service" "web" {
  name                               = "web"
  cluster                            = aws_ecs_cluster.main.id
  task_definition                    = aws_ecs_task_definition.web.arn
  desired_count                      = var.web_tasks
  launch_type                        = "FARGATE"
  health_check_grace_period_seconds  = 120
  deployment_minimum_healthy_percent = 50
  deployment_maximum_percent         = 200
  enable_execute_command             = false

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [var.web_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.web.arn
    container_name   = "web"
    container_port   = 8000
  }

  depends_on = [aws_lb_listener.https]
}

resource "aws_ecs_service" "worker" {
  name            = "worker"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = var.workers.least

  capacity_provider_strategy {
    capacity_provider = aws_ecs_capacity_provider.hosts.name
    weight            = 1
  }

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [var.worker_group_id]
  }

  # One of them a machine: it takes all its cores.
  placement_constraints {
    type = "distinctInstance"
  }

  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_ecs_cluster_capacity_providers.main]
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.main.name}/${aws_ecs_service.worker.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.workers.least
  max_capacity       = var.workers.most
}

# Jobs that wait, for each worker: the servers report the queue, the workers are counted by the same metric's side.
resource "aws_appautoscaling_policy" "queue" {
  name               = "${var.name}-queue"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  resource_id        = aws_appautoscaling_target.worker.resource_id
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = 50
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "Grid"
            metric_name = "grid_queue_depth"

            dimensions {
              name  = "service.name"
              value = var.name
            }
          }
        }
      }

      metrics {
        id          = "workers"
        return_data = false

        metric_stat {
          stat = "Maximum"

          metric {
            namespace   = "Grid"
            metric_name = "grid_workers"

            dimensions {
              name  = "service.name"
              value = var.name
            }
          }
        }
      }

      metrics {
        id          = "waiting_for_each"
        expression  = "waiting / IF(workers > 0, workers, 1)"
        label       = "Jobs that wait for each worker"
        return_data = true
      }
    }
  }
}
