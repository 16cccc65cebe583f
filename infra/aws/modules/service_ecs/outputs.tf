output "cluster_name" { value = aws_ecs_cluster.main.name }
output "load_balancer_dns_name" { value = aws_lb.main.dns_name }
output "load_balancer_suffix" { value = aws_lb.main.arn_suffix }
