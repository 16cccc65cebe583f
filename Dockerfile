# The service: server, worker and Flower, by the command that it is given. `docker build -t grid:local .`
# Plain instructions alone, so that engines without BuildKit build it too. Where it cannot be fetched, another base
# image takes its place: --build-arg PYTHON_IMAGE=python:3.11-slim.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# What builds, in an environment that the image does not get; every file is held to its hash.
COPY requirements/bootstrap.txt /src/requirements/
RUN python -m venv /opt/build && python -m venv --without-pip /opt/grid \
    && /opt/build/bin/pip install --quiet --require-hashes -r /src/requirements/bootstrap.txt
COPY requirements/scale.txt /src/requirements/
# Compiled here, in parallel: nothing is written in a container, where each process would compile all that it imports.
# Not all files of packages are meant to compile, so what does not is no error.
ENV COMPILE="-m compileall -q -j 0 --invalidation-mode unchecked-hash"
RUN /opt/build/bin/pip --python /opt/grid/bin/python install --quiet --no-compile --require-hashes \
    -r /src/requirements/scale.txt \
    && { python $COMPILE -x '/tests?/' /opt/grid/lib >/dev/null || true; }

# Grid itself, apart from what it needs: most of the image is one layer that changes with the lock alone.
FROM dependencies AS build
COPY . /src
WORKDIR /src
# The web page comes along built (`make page`), or is built here; 1 leaves it out.
ARG GRID_SKIP_PAGE=
RUN GRID_SKIP_PAGE=${GRID_SKIP_PAGE} /opt/build/bin/python -m hatchling build -t wheel -d /tmp/dist \
    && /opt/build/bin/pip --python /opt/grid/bin/python install --quiet --no-compile --no-deps --no-index \
       --prefix /opt/own /tmp/dist/*.whl \
    && python $COMPILE -s /opt/own -p /opt/grid /opt/own/lib

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="grid" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/app/bin:/opt/grid/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/grid/home \
    GRID_HOME=/var/lib/grid/home \
    GRID_KERNEL_CACHE=/var/lib/grid/cache/kernels \
    GRID_CALIBRATION=/var/lib/grid/cache/calibration
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/(test|idlelib|lib2to3|site-packages)/' \
    /usr/local/lib/python3.* >/dev/null || true
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/grid/home --shell /usr/sbin/nologin grid \
    && install -d -m 0755 /app /var/lib/grid \
    && install -d -m 0700 -o grid -g grid /var/lib/grid/home /var/lib/grid/artifacts /var/lib/grid/cache
COPY --from=dependencies /opt/grid /opt/grid
COPY --from=build /opt/own /opt/grid
COPY alembic.ini /app/
COPY infra/docker/entrypoint.py /app/entrypoint
# `exec web alembic ...` finds its secrets by these links, as the first process of the container does.
RUN chmod 0444 /app/alembic.ini && chmod 0555 /app/entrypoint && install -d /app/bin \
    && for name in alembic celery grid; do ln -s ../entrypoint "/app/bin/$name"; done
WORKDIR /app
VOLUME /var/lib/grid/home
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=120s --retries=4 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/live', timeout=8)"]
ENTRYPOINT ["/usr/local/bin/python3", "-I", "/app/entrypoint"]
CMD ["grid", "serve"]
