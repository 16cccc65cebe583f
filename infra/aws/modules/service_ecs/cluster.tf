# The cluster, and the machines of workers: Fargate has no engine's socket, so workers run on EC2.

resource "aws_ecs_cluster" "main" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

data "aws_ssm_parameter" "image" {
  name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
}

resource "aws_iam_role" "host" {
  name               = "${var.name}-host"
  assume_role_policy = var.hosts_assume_role_policy
}

resource "aws_iam_role_policy_attachment" "host" {
  role       = aws_iam_role.host.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_role_policy_attachment" "host_session" {
  role       = aws_iam_role.host.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "host" {
  name = "${var.name}-host"
  role = aws_iam_role.host.name
}

resource "aws_launch_template" "host" {
  name_prefix            = "${var.name}-host-"
  image_id               = data.aws_ssm_parameter.image.value
  instance_type          = var.instance_type
  vpc_security_group_ids = [var.worker_group_id]
  update_default_version = true
  user_data              = base64encode(templatefile("${path.module}/host.sh.tftpl", { cluster = aws_ecs_cluster.main.name }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.host.arn
  }

  # Version 2 alone, and no further than the machine itself: containers cannot ask for its role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 100
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }
}

resource "aws_autoscaling_group" "hosts" {
  name_prefix           = "${var.name}-"
  min_size              = var.workers.least
  max_size              = var.workers.most
  vpc_zone_identifier   = var.private_subnet_ids
  protect_from_scale_in = true # ECS lifts it where a machine has no task

  launch_template {
    id      = aws_launch_template.host.id
    version = "$Latest"
  }

  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

resource "aws_ecs_capacity_provider" "hosts" {
  name = "${var.name}-hosts"

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.hosts.arn
    managed_draining               = "ENABLED"
    managed_termination_protection = "ENABLED"

    managed_scaling {
      status          = "ENABLED"
      target_capacity = 100
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "main" {
  cluster_name       = aws_ecs_cluster.main.name
  capacity_providers = ["FARGATE", aws_ecs_capacity_provider.hosts.name]
}
