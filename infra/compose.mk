# The targets of `make ... STACK=compose`: the whole service in containers (docs/how-to/compose.md).
# Included by the Makefile instead of its own targets. COMPOSE names the tool; GRID_FLOWER=1 starts Flower as well.
comma := ,
COMPOSE ?= $(if $(shell command -v docker-compose),docker-compose,docker compose)
GRID_DOCKER_SOCKET ?= /var/run/docker.sock
export GRID_DOCKER_SOCKET PYTHON
export DOCKER_GID ?= $(shell stat -c %g $(GRID_DOCKER_SOCKET) 2>/dev/null || echo 0)
export COMPOSE_PROFILES := $(COMPOSE_PROFILES)$(if $(filter 1 true,$(GRID_FLOWER)),$(if $(COMPOSE_PROFILES),$(comma))flower)
# What was started with a profile ends with the rest, whoever stops it.
down clean: export COMPOSE_PROFILES := flower,otel

.PHONY: up down build migrate logs clean

up: build ## Build the images, start every service, and wait until the server is ready
	@infra/docker/up.sh $(COMPOSE)

down: ## Stop every service; the data stays
	@$(COMPOSE) down --remove-orphans

build: ## Build the images of service and sample simulation; stand-ins of the others where no registry answers
	@infra/docker/build.sh

migrate: ## Bring the database to this version
	@$(COMPOSE) run --rm migrate

logs: ## Follow what the services say
	@$(COMPOSE) logs --follow --tail 50

clean: ## Stop every service and remove its data, but for the worker's folder on this machine
	@$(COMPOSE) down --volumes --remove-orphans
