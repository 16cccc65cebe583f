# Who may speak with whom: balancer -> web -> database and Redis <- worker. Each rule names a group, not addresses.

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Load balancer: HTTPS from the networks that are allowed"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "web" {
  name        = "${var.name}-web"
  description = "Servers: from the load balancer alone"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Workers: nobody calls them"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "Database: from servers and workers"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Redis: from servers and workers"
  vpc_id      = aws_vpc.main.id
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS services: from servers and workers"
  vpc_id      = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.balancer.id
  description       = "HTTPS"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To servers"
  referenced_security_group_id = aws_security_group.web.id
  ip_protocol                  = "tcp"
  from_port                    = 8000
  to_port                      = 8000
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id            = aws_security_group.web.id
  description                  = "From the load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8000
  to_port                      = 8000
}

locals {
  callers = { web = aws_security_group.web.id, worker = aws_security_group.worker.id }
  called = {
    database  = { group = aws_security_group.database.id, port = 5432 }
    redis     = { group = aws_security_group.redis.id, port = 6379 }
    endpoints = { group = aws_security_group.endpoints.id, port = 443 }
  }
  pairs = { for pair in setproduct(keys(local.callers), keys(local.called)) : join("-", pair) => pair }
}

resource "aws_vpc_security_group_ingress_rule" "inner" {
  for_each = local.pairs

  security_group_id            = local.called[each.value[1]].group
  description                  = "From ${each.value[0]}"
  referenced_security_group_id = local.callers[each.value[0]]
  ip_protocol                  = "tcp"
  from_port                    = local.called[each.value[1]].port
  to_port                      = local.called[each.value[1]].port
}

resource "aws_vpc_security_group_egress_rule" "inner" {
  for_each = local.pairs

  security_group_id            = local.callers[each.value[0]]
  description                  = "To ${each.value[1]}"
  referenced_security_group_id = local.called[each.value[1]].group
  ip_protocol                  = "tcp"
  from_port                    = local.called[each.value[1]].port
  to_port                      = local.called[each.value[1]].port
}

# S3 by its gateway, registries of images, and the control plane of ECS are reached by HTTPS.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = local.callers

  security_group_id = each.value
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
