# The targets of `make ... STACK=compose`: the whole service in containers (docs/how-to/compose.md).
# Included by the Makefile instead of its own targets. COMPOSE names the tool; GRID_FLOWER=1 starts Flower as well.
comma := ,
COMPOSE ?= $(if $(shell command -v docker-compose),docker-compose,docker compose)
GRID_DOCKER_SOCKET ?= /var/run/docker.sock
export GRID_DOCKER_SOCKET
export DOCKER_GID ?= $(shell stat -c %g $(GRID_DOCKER_SOCKET) 2>/dev/null || echo 0)
export COMPOSE_PROFILES := $(COMPOSE_PROFILES)$(if $(filter 1 true,$(GRID_FLOWER)),$(if $(COMPOSE_PROFILES),$(comma))flower)

.PHONY: up down build migrate logs clean

up: build ## Build the images, and start every service
	@$(COMPOSE) up -d
	@echo "The server answers at http://127.0.0.1:$${GRID_PORT:-8000}; make logs STACK=compose shows what they say."

down: ## Stop every service; the data stays
	@$(COMPOSE) down --remove-orphans

# The page is built here, where Node is at hand, and goes into the image as it is; the service works without it too.
build: ## Build the image of the service and that of the sample simulation
	@[ "$(GRID_SKIP_PAGE)" = 1 ] || $(PYTHON) scripts/page.py build || true
	@DOCKER_BUILDKIT=0 docker build $(if $(GRID_BUILD_NETWORK),--network $(GRID_BUILD_NETWORK)) \
	  $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) -t sim:local sim
	@DOCKER_BUILDKIT=0 docker build $(if $(GRID_BUILD_NETWORK),--network $(GRID_BUILD_NETWORK)) \
	  $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) --build-arg GRID_SKIP_PAGE=1 \
	  -t $${GRID_IMAGE:-grid:local} .

migrate: ## Bring the database to this version
	@$(COMPOSE) run --rm migrate

logs: ## Follow what the services say
	@$(COMPOSE) logs --follow --tail 50

clean: ## Stop every service and remove its data, but for the worker's folder on this machine
	@$(COMPOSE) down --volumes --remove-orphans
