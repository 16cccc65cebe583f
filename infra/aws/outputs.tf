output "address" {
  description = "Where the service answers once the name leads to the load balancer"
  value       = "https://${var.host}"
}

output "load_balancer" {
  description = "Target of the name's alias record; null with EKS, whose ingress has one of its own"
  value       = local.is_ecs ? module.service_ecs[0].load_balancer_dns_name : null
}

output "cluster" {
  description = "Name of the cluster"
  value       = local.is_ecs ? module.service_ecs[0].cluster_name : module.service_eks[0].cluster_name
}

output "bucket" {
  description = "Bucket of results"
  value       = module.storage.bucket
}

output "database" {
  description = "Address of the database, within the network"
  value       = module.database.address
}

output "secrets" {
  description = "Where the passwords are kept"
  value = {
    database = module.database.secret_arn
    redis    = module.secrets.redis_secret_arn
    signing  = module.secrets.signing_secret_arn
  }
}
