# A cluster for the manifests in infra/aws/kubernetes. No engine is within reach of a pod, so workers run built-in
# simulations alone (GRID_RUNNER=local); images of simulations need ECS on EC2, or a launcher that is not there yet.

variable "name" { type = string }
variable "private_subnet_ids" { type = list(string) }
variable "kms_key_arn" { type = string }
variable "instance_type" { type = string }
variable "workers" { type = object({ least = number, most = number }) }
variable "allowed_cidrs" { type = list(string) }
variable "web_policy" { type = string }
variable "worker_policy" { type = string }
variable "cluster_assume_role_policy" { type = string }
variable "hosts_assume_role_policy" { type = string }
variable "identity_assume_role_policy" { type = string }

locals {
  host_policies = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"])
}

resource "aws_iam_role" "cluster" {
  name               = "${var.name}-cluster"
  assume_role_policy = var.cluster_assume_role_policy
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "main" {
  name                      = var.name
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = ["api", "audit", "authenticator"]

  access_config {
    authentication_mode = "API"
  }

  vpc_config {
    subnet_ids              = var.private_subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = true
    public_access_cidrs     = var.allowed_cidrs
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = var.kms_key_arn
    }
  }

  depends_on = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_eks_addon" "main" {
  for_each = toset(["vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent"])

  cluster_name = aws_eks_cluster.main.name
  addon_name   = each.key
}

resource "aws_iam_role" "host" {
  name               = "${var.name}-node"
  assume_role_policy = var.hosts_assume_role_policy
}

resource "aws_iam_role_policy_attachment" "host" {
  for_each = local.host_policies

  role       = aws_iam_role.host.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

resource "aws_launch_template" "host" {
  name_prefix   = "${var.name}-node-"
  instance_type = var.instance_type

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size = 100
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "main" {
  cluster_name    = aws_eks_cluster.main.name
  node_group_name = "${var.name}-workers"
  node_role_arn   = aws_iam_role.host.arn
  subnet_ids      = var.private_subnet_ids
  ami_type        = "AL2023_x86_64_STANDARD"

  launch_template {
    id      = aws_launch_template.host.id
    version = aws_launch_template.host.latest_version
  }

  scaling_config {
    desired_size = var.workers.least
    min_size     = var.workers.least
    max_size     = var.workers.most
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.host]
}

resource "aws_iam_role" "pod" {
  for_each = { web = var.web_policy, worker = var.worker_policy }

  name               = "${var.name}-pod-${each.key}"
  assume_role_policy = var.identity_assume_role_policy
}

resource "aws_iam_role_policy" "pod" {
  for_each = { web = var.web_policy, worker = var.worker_policy }

  name   = "run"
  role   = aws_iam_role.pod[each.key].id
  policy = each.value
}

resource "aws_eks_pod_identity_association" "pod" {
  for_each = aws_iam_role.pod

  cluster_name    = aws_eks_cluster.main.name
  namespace       = "grid"
  service_account = each.key
  role_arn        = each.value.arn
}

output "cluster_name" { value = aws_eks_cluster.main.name }
