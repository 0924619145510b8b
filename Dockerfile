# The command with everything that it can use, but for Git (`run --pull`) and a shell's comforts. It needs no right: neither root
# nor a file system that it may write to.
#
#   docker build -t reconciler .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -v "$PWD:/work" reconciler plan
#
# What is installed is locked with hashes, as everywhere; the base is named by its version, and can be pinned by its digest:
#   docker build --build-arg BASE=python:3.13-slim-bookworm@sha256:… .
ARG BASE=python:3.13-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY .ci/requirements/all.txt requirements.txt
# A venv without pip: nothing is ever installed into the image that runs.
RUN python -m venv --without-pip /opt/reconciler \
 && python -m pip --python /opt/reconciler/bin/python install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY reconciler reconciler
RUN python -m pip --python /opt/reconciler/bin/python install --no-deps --no-build-isolation . \
 && python -m compileall -q /opt/reconciler

# hadolint ignore=DL3006
FROM ${BASE}
LABEL org.opencontainers.image.title="reconciler" \
      org.opencontainers.image.description="Over-the-air update campaigns, kept in Git" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/reconciler /opt/reconciler
# The home is where `trust` keeps what a person allowed: mount a folder there to keep it.
ENV PATH=/opt/reconciler/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
# A number: Kubernetes sees that it isn't root (`runAsNonRoot`).
USER 65532:65532
ENTRYPOINT ["reconciler"]
CMD ["--help"]
