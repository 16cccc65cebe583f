# Alarms over what AWS and the collector report.

variable "name" { type = string }
variable "database_identifier" { type = string }
variable "redis_group_id" { type = string }
variable "load_balancer_suffix" { type = string }
variable "alarm_topic_arn" { type = string }

locals {
  actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  alarms = merge(
    {
      queue-not-served = {
        namespace   = "Grid", metric = "grid_queue_depth", statistic = "Minimum", periods = 10, than = 5000
        comparison  = "GreaterThanThreshold", dimensions = { "service.name" = var.name }, missing = "notBreaching"
        description = "More than 5000 jobs have waited for ten minutes"
      }
      no-workers = {
        namespace   = "Grid", metric = "grid_workers", statistic = "Maximum", periods = 5, than = 1
        comparison  = "LessThanThreshold", dimensions = { "service.name" = var.name }, missing = "breaching"
        description = "No worker was heard of for five minutes, or no server reports"
      }
      database-down = {
        namespace   = "Grid", metric = "grid_database_up", statistic = "Minimum", periods = 3, than = 1
        comparison  = "LessThanThreshold", dimensions = { "service.name" = var.name }, missing = "notBreaching"
        description = "A server cannot reach the database"
      }
      database-processor = {
        namespace   = "AWS/RDS", metric = "CPUUtilization", statistic = "Average", periods = 10, than = 85
        comparison  = "GreaterThanThreshold", dimensions = { DBInstanceIdentifier = var.database_identifier }, missing = "missing"
        description = "The database computes at its limit"
      }
      database-storage = {
        namespace   = "AWS/RDS", metric = "FreeStorageSpace", statistic = "Minimum", periods = 5, than = 5368709120
        comparison  = "LessThanThreshold", dimensions = { DBInstanceIdentifier = var.database_identifier }, missing = "missing"
        description = "The database has less than 5 GiB left"
      }
      redis-memory = {
        namespace   = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", statistic = "Maximum", periods = 5, than = 80
        comparison  = "GreaterThanThreshold", dimensions = { ReplicationGroupId = var.redis_group_id }, missing = "missing"
        description = "Redis is nearly full; jobs go on by polling"
      }
    },
    var.load_balancer_suffix == null ? {} : {
      server-errors = {
        namespace   = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", periods = 5, than = 10
        comparison  = "GreaterThanThreshold", dimensions = { LoadBalancer = var.load_balancer_suffix }, missing = "notBreaching"
        description = "More than ten errors of the server a minute"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = each.value.periods
  threshold           = each.value.than
  comparison_operator = each.value.comparison
  dimensions          = each.value.dimensions
  treat_missing_data  = each.value.missing
  alarm_actions       = local.actions
  ok_actions          = local.actions
}
