output "vpc_id" { value = aws_vpc.main.id }
output "public_subnet_ids" { value = aws_subnet.public[*].id }
output "private_subnet_ids" { value = aws_subnet.private[*].id }
output "balancer_security_group_id" { value = aws_security_group.balancer.id }
output "web_security_group_id" { value = aws_security_group.web.id }
output "worker_security_group_id" { value = aws_security_group.worker.id }
output "database_security_group_id" { value = aws_security_group.database.id }
output "redis_security_group_id" { value = aws_security_group.redis.id }
